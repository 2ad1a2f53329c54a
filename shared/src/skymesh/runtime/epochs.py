"""The epochs of a live log: generations of its topics, of which one is worked in.

The next one is announced in the store first. From then on nothing more is added to the log; when all that
came in before is through, its topics are made and it is begun, and everybody goes on in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

from msgspec.structs import replace

from skymesh.errors import EpochEndedError, SettingsError, StoreUnavailableError
from skymesh.model.deployment import Epoch
from skymesh.model.ids import Digest
from skymesh.runtime.tier import Context
from skymesh.store.store import Store

WATCH_EVERY_S = 5.0


async def epochs_of(store: Store, log: Digest | None = None) -> tuple[Epoch, ...]:
    """Return the epochs of a log in order, an announced one too; none of the log of a finite source.

    Parameters
    ----------
    store
        Where they are.
    log
        The log; None for the only live one there is.
    """
    rows = store.scan(Epoch) if log is None else store.scan(Epoch, log=log)
    said: dict[int, dict[str, Epoch]] = {}
    async for row in rows:
        said.setdefault(row.number, {})[row.status] = row
    # Who withdraws one may be late: it has begun.
    newest = [
        rows.get("begun") or rows.get("withdrawn") or rows["announced"] for _, rows in sorted(said.items())
    ]
    return tuple(epoch for epoch in newest if epoch.status != "withdrawn")


async def announce_epoch(store: Store, epochs: tuple[Epoch, ...], partitions: int) -> Epoch:
    """Announce the epoch that follows some that have begun, unless that was done; return it.

    Raises
    ------
    EpochEndedError
        If one has begun meanwhile.
    SettingsError
        If it was announced with another number of partitions.
    """
    newest = (await epochs_of(store, epochs[-1].log))[-1]
    if newest.is_begun and newest != epochs[-1]:
        raise EpochEndedError(f"epoch {newest.number} has begun meanwhile")
    if newest.is_begun:
        # A number that was withdrawn is not used again: its topics may be there.
        numbers = [epoch.number async for epoch in store.scan(Epoch, log=newest.log)]
        await store.write([newest.followed_by(max(numbers) + 1, partitions)])
        # Of two who announce at once, one is not heard.
        newest = (await epochs_of(store, newest.log))[-1]
    if partitions not in {0, newest.partitions}:
        raise SettingsError(
            f"epoch {newest.number} is announced with {newest.partitions}: begin it, or withdraw it",
            where="--partitions",
        )
    return newest


async def withdraw_epoch(store: Store, log: Digest) -> Epoch:
    """Say that the epoch that is announced will not begin; return it.

    Raises
    ------
    SettingsError
        If none is announced.
    """
    newest = (await epochs_of(store, log))[-1]
    if newest.is_begun:
        raise SettingsError("no epoch is announced", where="--withdraw")
    await store.write([replace(newest, status="withdrawn")])
    return newest


def begun(epochs: Iterable[Epoch]) -> tuple[Epoch, ...]:
    """Return those epochs that may be worked in."""
    return tuple(epoch for epoch in epochs if epoch.is_begun)


async def refuse_ended(store: Store, context: Context, *, adds: bool) -> None:
    """Refuse to go on in an epoch that has ended.

    Parameters
    ----------
    store
        Where epochs are announced.
    context
        In which one is worked; nothing happens where a log has none.
    adds
        Whether the work adds to the log: then it ends as soon as the next epoch is announced.

    Raises
    ------
    EpochEndedError
        If it has.
    """
    for epoch in await epochs_of(store, context.log):
        if context.run is None and epoch.number > context.epoch and (adds or epoch.is_begun):
            told = "has begun" if epoch.is_begun else "begins when all is through that came in before"
            raise EpochEndedError(f"epoch {epoch.number} {told}: try again then", where=context.mesh)


@asynccontextmanager
async def adding(store: Store, context: Context) -> AsyncIterator[None]:
    """Add to the log; what is added while its epoch ends may be too late, and is to be added again.

    Raises
    ------
    EpochEndedError
        If it has ended, before or meanwhile.
    """
    await refuse_ended(store, context, adds=True)
    yield
    await refuse_ended(store, context, adds=True)


async def watch_epoch(store: Store, context: Context, *, adds: bool) -> None:
    """Look again and again whether an epoch has ended, until cancelled.

    Raises
    ------
    EpochEndedError
        If it has.
    """
    while True:
        await asyncio.sleep(WATCH_EVERY_S)
        # Whoever needs the store finds out by itself that it is away.
        with suppress(StoreUnavailableError):
            await refuse_ended(store, context, adds=adds)
