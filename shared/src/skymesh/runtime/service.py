"""A tier as a service: it joins its group, works on its share of the partitions, and says how it is."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, TypeVar

from skymesh.bus.bus import Partition
from skymesh.bus.kafka.group import Group, Membership
from skymesh.errors import (
    BrokerUnavailableError,
    EpochEndedError,
    MeshError,
    OutletUnavailableError,
    SettingsError,
    TransientError,
)
from skymesh.runtime.back_off import BackOff
from skymesh.runtime.batch_meter import BatchMeter
from skymesh.runtime.compute import MainThread
from skymesh.runtime.epochs import WATCH_EVERY_S, refuse_ended, watch_epoch
from skymesh.runtime.forgotten import refuse_forgotten
from skymesh.runtime.interrupts import GivenUpError, interrupts_told
from skymesh.runtime.jobs import Jobs
from skymesh.runtime.joining import Joinable, OwnGroup
from skymesh.runtime.live import LiveMesh, live_mesh
from skymesh.runtime.lookout import LOOK_EVERY_S, Look, Lookout, look_at_nothing
from skymesh.runtime.loop import TierLoop
from skymesh.runtime.outlet import Outlet, Ready, always_ready
from skymesh.runtime.stored_jobs import StoredJobs
from skymesh.runtime.tier import Tier
from skymesh.runtime.topics import is_of_epoch
from skymesh.settings.environment import from_environment
from skymesh.settings.service import ServiceSettings
from skymesh.telemetry.health import Health, HealthServer
from skymesh.telemetry.logs import configure_logs, forward_libraries, get_log
from skymesh.telemetry.mesh_metrics import MeshMetrics, new_registry

# What a batch may take beyond its grace, for native code that hears no signal.
_HARD_S = 5.0


@dataclass(frozen=True)
class Reading:
    """One tier of a service, and what it reads.

    Attributes
    ----------
    tier
        What decides.
    topics
        Its input; empty for the mesh's topic of what it reads.
    outlets
        Where its parcels go.
    ready
        Asked before its messages for others are published.
    batch_records
        Most records in a batch, where the service's settings allow more.
    look
        Measures from time to time what else there is.
    source
        Opens the survey's cluster that is read instead of the mesh's own.
    close
        Lets go of what the tier holds, in the end.
    """

    tier: Tier[Any]
    topics: tuple[str, ...] = ()
    outlets: Mapping[str, Outlet] = field(default_factory=dict)
    ready: Ready = always_ready
    batch_records: int = sys.maxsize
    source: Callable[[], AbstractAsyncContextManager[Joinable]] | None = None
    look: Look = look_at_nothing
    close: Callable[[], None] = lambda: None


S = TypeVar("S", bound=ServiceSettings)


def serve(name: str, kind: type[S], build: Callable[[LiveMesh, S], Awaitable[Sequence[Reading]]]) -> int:
    """Run a service until it is told to stop; return its exit code.

    0 after a clean stop, 1 if a law is broken, 2 if the settings are wrong: one line says what and where.

    Parameters
    ----------
    name
        The service.
    kind
        Its settings, which are taken from the environment.
    build
        Makes its tiers once the mesh is open.
    """
    try:
        settings = from_environment(kind)
        configure_logs(settings.log_level)
        forward_libraries()
        return _Service(settings.tier_of(name), settings, lambda mesh: build(mesh, settings)).run()
    except MeshError as error:
        return _told(error)


class _Service:
    def __init__(
        self,
        name: str,
        settings: ServiceSettings,
        build: Callable[[LiveMesh], Awaitable[Sequence[Reading]]],
    ) -> None:
        self._name = name
        self._settings = settings
        self._build = build
        self._main = MainThread()
        self._health = Health(("group", "store"), stale_after_s=settings.stale_s)
        self._registry = new_registry()
        self._metrics = MeshMetrics(name, self._registry)
        self._stop = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._failing: set[TierLoop] = set()
        self._last = threading.Timer(_HARD_S, self._end_hard)
        self._last.daemon = True
        self._code = 0
        self._has_ended = False

    def run(self) -> int:
        """Have the event loop in a second thread and compute in this one."""
        server = HealthServer(self._health, self._registry, port=self._settings.metrics_port)
        interrupts_told(self._told_to_stop)
        signal.signal(signal.SIGUSR1, self._interrupt)
        thread = threading.Thread(target=self._run_loop, name="effects")
        with server:
            thread.start()
            try:
                self._main.work()
            except GivenUpError:
                # The event loop has ended, and what was being computed is of no use any more.
                get_log().warning("what was being computed at the end is given up", tier=self._name)
            thread.join()
        # Nothing is computed any more: however long the interpreter takes to its end, this was a clean one.
        self._last.cancel()
        if not self._code:
            get_log().info("the service has stopped", tier=self._name)
        return self._code

    def _interrupt(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  # as the library calls it
        # Anybody may send the signal; before the end somebody waits for what is computed.
        if self._has_ended and self._main.is_busy:
            raise GivenUpError

    def _end_hard(self) -> None:
        os._exit(self._code or 1)

    def _told_to_stop(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  # as the library calls it
        # What this interrupts may hold the lock of the log: so it is told in the other thread.
        self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        if not self._stop.is_set():
            get_log().info("the service is told to stop", tier=self._name)
        self._stop.set()

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except MeshError as error:
            self._code = _told(error)
        except BaseException as error:  # whatever it is, the process must end and say it
            get_log().error("the service failed", tier=self._name, problem=repr(error), exc_info=True)
            self._code = 1
        finally:
            self._main.end()
            self._has_ended = True
            # Whatever the main thread still computes is interrupted; native code that hears nothing is left.
            os.kill(os.getpid(), signal.SIGUSR1)
            self._last.start()

    async def _serve(self) -> None:
        back_off = BackOff()
        while not self._stop.is_set():
            try:
                async with live_mesh(self._settings.store) as mesh:
                    self._health.met("store")
                    readings = await self._build(mesh)
                    back_off.reset()
                    # One for all readings: a job is planned once, however many outlets tell of it.
                    jobs = StoredJobs(mesh.store, self._main)
                    try:
                        await self._read_all(mesh, readings, jobs)
                    finally:
                        for reading in readings:
                            reading.close()
            except* EpochEndedError as errors:
                get_log().info("the epoch has ended", tier=self._name, told=str(_first(errors)))
                await self._pause(WATCH_EVERY_S)
            except* TransientError as errors:
                error = _first(errors)
                self._health.unmet("store", str(error))
                self._metrics.retried(error)
                wait_s = back_off.next_s()
                get_log().warning("a service is away", tier=self._name, problem=str(error), again_in_s=wait_s)
                await self._pause(wait_s)
            except* MeshError as errors:
                raise _first(errors) from None

    async def _read_all(self, mesh: LiveMesh, readings: Sequence[Reading], jobs: Jobs) -> None:
        """Read until told to stop, or until the epoch ends."""
        adds = any(_adds(reading.tier) for reading in readings)
        async with asyncio.TaskGroup() as tasks:
            reading = [tasks.create_task(self._read(mesh, each, jobs)) for each in readings]
            watching = tasks.create_task(watch_epoch(mesh.store, mesh.context, adds=adds))
            await asyncio.wait(reading)
            watching.cancel()

    async def _read(self, mesh: LiveMesh, reading: Reading, jobs: Jobs) -> None:
        """Be a member of the tier's group, and again after it was lost, until told to stop."""
        context, tier, settings = mesh.context, reading.tier, self._settings
        back_off = BackOff()
        own = OwnGroup(mesh.bus, context.group(tier.name), reading.topics or (context.topic(tier.reads),))

        async def work(partition: Partition) -> None:
            # Whoever announces the next epoch fences afterwards: one of both sees the other.
            await refuse_ended(mesh.store, context, adds=_adds(tier))
            if reading.source is None:
                await refuse_forgotten(mesh.store, mesh.bus, context, tier.name, partition)
            loop = TierLoop(
                partition,
                mesh.store,
                tier,
                context,
                jobs,
                outlets=reading.outlets,
                ready=reading.ready,
                batch_records=min(settings.batch_records, reading.batch_records),
                batch_s=settings.batch_s,
                record_bytes=settings.record_bytes,
                compute=self._main,
                meter=BatchMeter(self._metrics),
            )
            self._health.met("group")
            place = {"tier": tier.name, "topic": partition.topic, "partition": partition.number}
            get_log().info("at work on a partition", **place)
            try:
                await self._repeat(loop, back_off)
            finally:
                self._is_well(loop)
                get_log().info("a partition is given up", **place)

        membership = Membership(instance=settings.instance, session_s=settings.session_s)
        while not self._stop.is_set():
            try:
                async with reading.source() if reading.source else contextlib.nullcontext(own) as cluster:
                    await self._join(reading, cluster, cluster.group(work, membership))
            except BrokerUnavailableError as error:
                self._health.unmet("group", str(error))
                self._metrics.retried(error)
                get_log().warning("joining the group again", tier=tier.name, problem=str(error))
                await self._pause(back_off.next_s())

    async def _join(self, reading: Reading, cluster: Joinable, group: Group) -> None:
        lookout = Lookout(
            reading.tier.name, self._metrics, self._health, self._settings.expiry_warning_s, reading.look
        )
        looking = asyncio.create_task(lookout.watch(cluster, group))
        try:
            await group.run(self._stop, grace_s=self._settings.grace_s)
        finally:
            looking.cancel()

    async def _repeat(self, loop: TierLoop, joining: BackOff) -> None:
        """Handle batches until told to stop; while a service is away, try the same batch again and again.

        Joining the group was a success once a batch is done.
        """
        back_off = BackOff()
        while not self._stop.is_set():
            try:
                await loop.step()
            except BrokerUnavailableError:
                # The partition may be another's by now: the group decides.
                raise
            except TransientError as error:
                # An outlet that is away holds back its own reactions; the service is well.
                if not isinstance(error, OutletUnavailableError):
                    self._failing.add(loop)
                    self._health.unmet("store", str(error))
                self._metrics.retried(error)
                wait_s = max(back_off.next_s(), error.pause_s)
                get_log().warning(
                    "nothing is lost: a batch is tried again",
                    tier=self._name,
                    problem=str(error),
                    in_s=wait_s,
                )
                await self._pause(wait_s)
            else:
                self._is_well(loop)
                back_off.reset()
                joining.reset()
            self._health.beat()

    def _is_well(self, loop: TierLoop) -> None:
        """Be ready again once no partition fails any more: one with nothing to do proves nothing."""
        self._failing.discard(loop)
        if not self._failing:
            self._health.met("store")

    async def _pause(self, seconds: float) -> None:
        """Wait, unless told to stop meanwhile; a long wait that somebody asked for is no stop."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self._stop.is_set():
            self._health.beat()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, LOOK_EVERY_S)):
                    await self._stop.wait()


def _adds(tier: Tier[Any]) -> bool:
    """Return whether a tier adds to the log, from outside of it."""
    return not is_of_epoch(tier.reads)


def _first(errors: BaseExceptionGroup[Any]) -> Any:
    """Return the first error of a group of errors, which may hold groups."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _told(error: MeshError) -> int:
    sys.stderr.write(f"skymesh: {error}\n")
    return 2 if isinstance(error, SettingsError) else 1
