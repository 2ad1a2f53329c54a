"""The outlets themselves, as the environment says how they are reached."""

from __future__ import annotations

from typing import Final

from skymesh.errors import SettingsError
from skymesh.model.ids import Digest
from skymesh.runtime.outlet import Outlet
from skymesh.settings.environment import from_environment
from skymesh.store.store import TierStore
from skymesh_deliver.courier import Courier
from skymesh_deliver.doors import NEEDED
from skymesh_deliver.file_outlet import FileOutlet
from skymesh_deliver.settings import FileSettings, WebhookSettings
from skymesh_deliver.webhook_outlet import WebhookOutlet

WEBHOOK_BATCH_RECORDS: Final = 20
"""Most records in a batch for ``webhook``: each may take as long as a receiver that does not answer."""


def webhook_outlet(store: TierStore, log: Digest) -> Outlet:
    """Return what calls the webhook of the settings, by their policy.

    Raises
    ------
    SettingsError
        If there is none, or a setting does not fit.
    """
    settings = from_environment(WebhookSettings)
    if settings.url is None:
        raise SettingsError(f"set {NEEDED['webhook']} to deliver there", where="outlet 'webhook'")
    outlet = WebhookOutlet(
        settings.url.get_secret_value(),
        settings.secret(),
        timeout_s=settings.timeout_s,
        tls=settings.tls_context(),
    )
    # Connecting, sending and waiting each have the whole time.
    return Courier(outlet, store, log, settings.policy, message_s=3 * settings.timeout_s)


def folder_outlet() -> Outlet:
    """Return what writes files to the folder of the settings.

    Raises
    ------
    SettingsError
        If it cannot be made.
    """
    folder = from_environment(FileSettings).folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"cannot be made: {error.strerror}", where=str(folder)) from None
    return FileOutlet(folder)
