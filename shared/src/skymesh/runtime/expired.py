"""What of a store has expired, for those who would go on with it."""

from __future__ import annotations

from skymesh.errors import SettingsError
from skymesh.model.ids import Digest, text_id
from skymesh.model.retention import Expired
from skymesh.store.store import Store


async def expiries_of(store: Store, owner: Digest) -> list[Expired]:
    """Return what has expired of a run or log, in order of time; also what is just being deleted."""
    return [expired async for expired in store.scan(Expired, owner=owner) if expired.status != "withdrawn"]


async def refuse_expired(store: Store, run: Digest) -> None:
    """Refuse to go on with a run of which something has expired: it would begin anew in places.

    Raises
    ------
    SettingsError
        If something has.
    """
    for expired in await expiries_of(store, run):
        raise SettingsError(
            f"{told_expiry(expired)}: make another run of it, with --run NAME", where=text_id("run", run)
        )


def told_expiry(expired: Expired) -> str:
    """Return what has expired, and when, in a few words."""
    return f"expired on {expired.expired_utc} (class {expired.retention})"
