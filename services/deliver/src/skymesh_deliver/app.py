"""The outlets of this process, put together from the settings that there are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from skymesh.bus.bus import Bus
from skymesh.errors import SettingsError
from skymesh.jobs.outlets import Grants, OutletName
from skymesh.model.ids import Digest
from skymesh.runtime.outlet import Outlet
from skymesh.settings.environment import from_environment
from skymesh.store.store import TierStore
from skymesh_deliver.courier import Courier
from skymesh_deliver.door import Door
from skymesh_deliver.file_outlet import FileOutlet
from skymesh_deliver.settings import FileSettings, KafkaOutletSettings, WebhookSettings
from skymesh_deliver.webhook_outlet import WebhookOutlet

WEBHOOK_BATCH_RECORDS: Final = 20
"""Most records in a batch for ``webhook``: each may take as long as a receiver that does not answer."""

_NEEDED: Final = {
    "file": "SKYMESH_OUTLET_FOLDER",
    "kafka": "SKYMESH_KAFKA_OUTLET_TOPIC",
    "webhook": "SKYMESH_WEBHOOK_URL",
}


def outlet_grants() -> Grants:
    """Return what each outlet may be sent.

    Raises
    ------
    SettingsError
        If a setting does not fit.
    """
    kafka, webhook = from_environment(KafkaOutletSettings), from_environment(WebhookSettings)
    return {"file": None, "kafka": kafka.grants, "webhook": webhook.grants}


def doors() -> dict[OutletName, Door]:
    """Return the doors of the outlets that there are settings for.

    Raises
    ------
    SettingsError
        If a setting does not fit.
    """
    found: dict[OutletName, Door] = {}
    if from_environment(FileSettings).folder is not None:
        found["file"] = Door("file", "file")
    kafka, webhook = from_environment(KafkaOutletSettings), from_environment(WebhookSettings)
    if kafka.topic:
        found["kafka"] = Door("kafka", "kafka", kafka.grants, topic=kafka.topic)
    if webhook.url is not None:
        found["webhook"] = Door("webhook", "webhook", webhook.grants)
    return found


def door_to(target: OutletName) -> Door:
    """Return the door of an outlet.

    Raises
    ------
    SettingsError
        If there are no settings for it.
    """
    found = doors()
    if target not in found:
        raise SettingsError(f"set {_NEEDED[target]} to deliver there", where=f"outlet {target!r}")
    return found[target]


async def check_door(door: Door, bus: Bus) -> None:
    """Refuse an outlet that is not there.

    Raises
    ------
    SettingsError
        If its topic is missing.
    """
    if door.is_transactional and await bus.partitions(door.topic) == 0:
        raise SettingsError(f"there is no such topic for the outlet {door.target!r}", where=door.topic)


@asynccontextmanager
async def open_outlets(door: Door, store: TierStore, log: Digest) -> AsyncIterator[dict[str, Outlet]]:
    """Open what parcels for a door are handed to; nothing where messages go with the batch.

    Raises
    ------
    SettingsError
        If a setting does not fit, or a folder cannot be made.
    """
    if door.way == "webhook":
        settings = from_environment(WebhookSettings)
        webhook = webhook_of(settings)
        try:
            yield {door.target: courier_of(webhook, settings, store, log)}
        finally:
            await webhook.close()
    elif door.way == "file":
        yield {door.target: _folder_outlet()}
    else:
        yield {}


def webhook_of(settings: WebhookSettings) -> WebhookOutlet:
    """Return the webhook of some settings.

    Raises
    ------
    SettingsError
        If it has none, or a file cannot be read.
    """
    if settings.url is None:
        raise SettingsError(f"set {_NEEDED['webhook']} to deliver there", where="outlet 'webhook'")
    return WebhookOutlet(
        settings.url.get_secret_value(),
        settings.secret(),
        timeout_s=settings.timeout_s,
        tls=settings.tls_context(),
    )


def courier_of(outlet: Outlet, settings: WebhookSettings, store: TierStore, log: Digest) -> Courier:
    """Return what sends through a webhook by its policy."""
    # Connecting, sending and waiting each have the whole time.
    return Courier(outlet, store, log, settings.policy, message_s=3 * settings.timeout_s)


def _folder_outlet() -> FileOutlet:
    folder = from_environment(FileSettings).folder
    if folder is None:
        raise SettingsError(f"set {_NEEDED['file']} to deliver there", where="outlet 'file'")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"cannot be made: {error.strerror}", where=str(folder)) from None
    return FileOutlet(folder)
