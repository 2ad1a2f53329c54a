"""Which outlets there are here: those that the environment has settings for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from skymesh.errors import SettingsError
from skymesh.jobs.outlets import Grants, OutletName
from skymesh.settings.environment import from_environment
from skymesh_deliver.door import Door
from skymesh_deliver.settings import KafkaOutletSettings, WebhookSettings

NEEDED: Final[Mapping[OutletName, str]] = {
    "kafka": "SKYMESH_KAFKA_OUTLET_TOPIC",
    "webhook": "SKYMESH_WEBHOOK_URL",
}
"""The setting without which an outlet is not there; files can always be written."""


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
    found: dict[OutletName, Door] = {"file": Door("file", "file")}
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
        raise SettingsError(f"set {NEEDED[target]} to deliver there", where=f"outlet {target!r}")
    return found[target]
