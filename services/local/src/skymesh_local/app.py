"""Putting the embedded mesh together: the tiers, their loops, and the one file below them."""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skymesh.bus.sqlite import SqliteBus
from skymesh.jobs.deployed import Deployed
from skymesh.model.run import Run
from skymesh.runtime.execute import Executor, InProcessExecutor
from skymesh.runtime.jobs import OneJob
from skymesh.runtime.loop import TierLoop, with_retries
from skymesh.runtime.process_pool import ProcessExecutor
from skymesh.runtime.tier import Context, Tier
from skymesh.runtime.topics import ALERTS, OF_A_RUN
from skymesh.sqlite_file import SqliteFile
from skymesh.store.recent import RecentArrivals
from skymesh.store.sqlite import SqliteStore
from skymesh_deliver.file_outlet import FileOutlet
from skymesh_deliver.tier import Deliver
from skymesh_local.find import newest_epoch
from skymesh_provenance.tier import Provenance
from skymesh_t0.tier import T0
from skymesh_t1.tier import T1
from skymesh_t2.tier import T2
from skymesh_t3.tier import T3

_GARBAGE_OBJECTS = 100_000
# Batches of alerts that are committed together, with all that follows from them.
_GROUP_BATCHES = 8


@dataclass(frozen=True)
class Embedded:
    """An open store with the bus beside it, in one file."""

    store: SqliteStore
    bus: SqliteBus
    file: SqliteFile

    async def context(self, run: Run) -> Context:
        """Return whose work the tiers of a run do; of a live log that is replayed, with its markers."""
        epoch = await newest_epoch(self.store, run.log)
        if epoch is None:
            return Context(run.log, run.id)
        return Context(run.log, run.id, epoch.number, is_marked=True)

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


def tiers_of(context: Context, executor: Executor) -> tuple[Tier[Any], ...]:
    """Return the tiers of a run, in the way of an alert."""
    # Nothing travels inline: T2 finds in memory the points that T0 has just registered.
    t1 = T1(context, inline_bytes=0)
    return T0(context), t1, T2(context, executor), T3(context), Deliver(context), Provenance()


async def run_tiers(
    embedded: Embedded,
    context: Context,
    job: Deployed,
    *,
    folder: Path,
    workers: int,
    batch_records: int,
    on_alerts: Callable[[int], None] = lambda _: None,
) -> None:
    """Run all tiers until nothing is left to read.

    The tier furthest down that has something to read goes first. So one batch of alerts is through
    before the next begins, little lies between the tiers, and the batches of every tier are the same
    whether a run was killed between or not.

    Every outlet is a folder here: an embedded run tells nobody but the person who runs it.

    Raises
    ------
    TransientError
        If the store or the folder stays away.
    """
    for record in OF_A_RUN:
        await embedded.bus.create(context.topic(record), is_kept=False)
    executor = executor_of(workers)
    store = RecentArrivals(embedded.store)
    outlets = {"file": FileOutlet(folder)}
    async with AsyncExitStack() as opened:
        opened.callback(embedded.file.end_groups)
        opened.callback(executor.close)
        partitions = await embedded.bus.partitions(context.topic(ALERTS))
        loops = []
        for tier in reversed(tiers_of(context, executor)):
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
        alert_loops = set(loops[-partitions:])
        batches = 0
        while True:
            for loop in loops:
                if loop is loops[-partitions]:
                    # All that was begun is through.
                    if batches % _GROUP_BATCHES == 0:
                        embedded.file.commit_group()
                    batches += 1
                handled = await with_retries(loop)
                if handled and loop in alert_loops:
                    on_alerts(handled)
                if handled:
                    break
            else:
                return


def collect_garbage_rarely() -> None:
    """Tell Python's collector of a process that runs jobs to look for cycles less often.

    A run makes many small records that live for one step; looking through them again and again finds
    nothing and takes a tenth of the time.
    """
    gc.freeze()
    gc.set_threshold(_GARBAGE_OBJECTS)
