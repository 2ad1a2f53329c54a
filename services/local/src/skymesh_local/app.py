"""Putting the embedded mesh together: the tiers, their loops, and the one file below them."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skymesh.bus.sqlite import SqliteBus
from skymesh.errors import OutletUnavailableError
from skymesh.jobs.deployed import Deployed
from skymesh.model.run import Run
from skymesh.runtime.epochs import epochs_of
from skymesh.runtime.execute import Executor, InProcessExecutor
from skymesh.runtime.jobs import OneJob
from skymesh.runtime.loop import TierLoop, with_retries
from skymesh.runtime.process_pool import ProcessExecutor
from skymesh.runtime.tier import Context, Tier
from skymesh.runtime.topics import ALERTS, INTENTS, OF_A_RUN
from skymesh.sqlite_file import SqliteFile
from skymesh.store.recent import RecentArrivals
from skymesh.store.sqlite import SqliteStore
from skymesh_deliver.door import Door
from skymesh_deliver.tier import Deliver
from skymesh_local.delivery import Delivery
from skymesh_provenance.tier import Provenance
from skymesh_t0.tier import T0
from skymesh_t1.tier import T1
from skymesh_t2.tier import T2
from skymesh_t3.tier import T3

_GARBAGE_OBJECTS = 100_000
_GROUP_BATCHES = 8


@dataclass(frozen=True)
class Embedded:
    """An open store with the bus beside it, in one file."""

    store: SqliteStore
    bus: SqliteBus
    file: SqliteFile

    async def context(self, run: Run) -> Context:
        """Return whose work the tiers of a run do; of a live log that is replayed, with its markers."""
        epochs = await epochs_of(self.store, run.log)
        return Context(run.log, run.id, epochs, is_marked=bool(epochs))

    async def close(self) -> None:
        """Close the file."""
        await self.store.close()


def open_embedded(path: Path, *, must_exist: bool = False) -> Embedded:
    """Open the file of an embedded mesh.

    Raises
    ------
    SettingsError
        If it cannot be opened.
    """
    file = SqliteFile(path, must_exist=must_exist)
    return Embedded(SqliteStore(file), SqliteBus(file), file)


def executor_of(workers: int) -> Executor:
    """Return what runs units: this process, or some of their own."""
    return InProcessExecutor() if workers <= 1 else ProcessExecutor(workers)


def tiers_of(context: Context, executor: Executor, doors: Iterable[Door]) -> list[Tier[Any]]:
    """Return the tiers of a run, in the way of an alert."""
    # Nothing travels inline: T2 finds in memory the points that T0 has just registered.
    t1 = T1(context, inline_bytes=0)
    deliverers = [Deliver(context, door) for door in doors]
    return [T0(context), t1, T2(context, executor), T3(context), *deliverers, Provenance()]


async def run_tiers(
    embedded: Embedded,
    context: Context,
    job: Deployed,
    *,
    deliveries: Sequence[Delivery],
    workers: int,
    batch_records: int,
    on_alerts: Callable[[int], None] = lambda _: None,
) -> None:
    """Run all tiers until nothing is left to read.

    The tier furthest down that has something to read goes first. So one batch of alerts is through
    before the next begins, little lies between the tiers, and the batches of every tier are the same
    whether a run was killed between or not.

    An outlet that is away holds back nobody else: everything else is done before that is told.

    Raises
    ------
    TransientError
        If the store or an outlet stays away.
    """
    for record in OF_A_RUN:
        # Each outlet reads all intents, at its own pace.
        await embedded.bus.create(context.topic(record), is_kept=record == INTENTS)
    executor = executor_of(workers)
    store = RecentArrivals(embedded.store)
    outlets = {target: outlet for delivery in deliveries for target, outlet in delivery.outlets.items()}
    # What is to be known after a kill must not wait for a group.
    is_grouping = all(delivery.is_exact for delivery in deliveries)
    async with AsyncExitStack() as opened:
        opened.callback(embedded.file.end_groups)
        opened.callback(executor.close)
        partitions = await embedded.bus.partitions(context.topic(ALERTS))
        loops = []
        for tier in reversed(tiers_of(context, executor, [delivery.door for delivery in deliveries])):
            for number in range(partitions if tier.reads == ALERTS else 1):
                taken = embedded.bus.open(context.group(tier.name), context.topic(tier.reads), number)
                partition = await opened.enter_async_context(taken)
                loops.append(
                    TierLoop(
                        partition,
                        store,
                        tier,
                        context,
                        OneJob(job),
                        outlets=outlets,
                        batch_records=batch_records,
                    )
                )
        groups = _Groups(embedded.file) if is_grouping else None
        await _take_turns(loops, loops[-partitions:], groups, on_alerts)


class _Groups:
    """Commits batches of alerts together, with all that follows from them."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._batches = 0

    def begin_batch(self) -> None:
        """Begin with more alerts: all that was begun is through."""
        if self._batches % _GROUP_BATCHES == 0:
            self._file.commit_group()
        self._batches += 1


async def _take_turns(
    loops: list[TierLoop],
    alert_loops: list[TierLoop],
    groups: _Groups | None,
    on_alerts: Callable[[int], None],
) -> None:
    """Let the first loop work that has something to read, until none has; who is away is left out."""
    away: list[OutletUnavailableError] = []
    left = list(loops)
    while True:
        for loop in left:
            if loop is alert_loops[0] and groups is not None:
                groups.begin_batch()
            try:
                handled = await with_retries(loop)
            except OutletUnavailableError as error:
                away.append(error)
                left.remove(loop)
                break
            if handled and loop in alert_loops:
                on_alerts(handled)
            if handled:
                break
        else:
            break
    if away:
        raise away[0]


def collect_garbage_rarely() -> None:
    """Tell Python's collector of a process that runs jobs to look for cycles less often.

    A run makes many small records that live for one step; looking through them again and again finds
    nothing and takes a tenth of the time.
    """
    gc.freeze()
    gc.set_threshold(_GARBAGE_OBJECTS)
