"""Processes for units: one that hangs loses its execution, one that is killed loses nothing.

`concurrent.futures` cannot end one task of a pool without breaking all others, so the processes are
held here: each has a pipe, is given a few tasks, answers after each, and is replaced when it is late
or gone. What it was at when it died is tried once more, alone in a new process: if that dies too, it is
the unit's doing.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import NamedTuple

from skymesh.errors import MeshError, TransientError
from skymesh.runtime.execute import Finished, Task, execute_all
from skymesh.runtime.interrupts import interrupts_held, interrupts_ignored

_CHUNK = 16
# Beyond the deadline that a process keeps itself, for native code that never comes back.
_GRACE_S = 2.0
# For a process to come up and to load what its tasks are made of, which counts for no unit.
_START_S = 120.0


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    waiting: deque[tuple[int, Task]] = field(default_factory=deque)
    # When it was given tasks, began with them or answered last, and the CPU time of the process then.
    since: float = 0.0
    cpu_s: float = 0.0
    has_begun: bool = False

    @property
    def ends_at(self) -> float:
        """When the next answer is late.

        A unit with a batch form may answer to all tasks at once, or fail on them all and then run alone.
        """
        if not self.has_begun:
            return self.since + _START_S
        unit = self.waiting[0][1].unit
        tasks = len(self.waiting) + 1 if type(unit).has_batch_form() else 1
        return self.since + unit.deadline_s * tasks + _GRACE_S


class _Answer(NamedTuple):
    # None before the first task of a list: it begins now.
    finished: Finished | None
    cpu_s: float


@dataclass
class _Round:
    """Tasks that are run together: those to be given out, and how the others ended.

    `fatal` are those that a process died at.
    """

    pending: deque[tuple[int, Task]]
    finished: dict[int, Finished] = field(default_factory=dict)
    fatal: set[int] = field(default_factory=set)


class ProcessExecutor:
    """Runs tasks in processes of their own.

    Parameters
    ----------
    workers
        How many processes.
    """

    def __init__(self, workers: int) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._wanted = workers
        self._workers: list[_Worker] = []

    def run(self, tasks: Sequence[Task]) -> list[Finished]:
        """Run tasks; a process that is late, or dies twice, settles its task as failed.

        Raises
        ------
        TransientError
            If a unit says that a service is away, or this machine has no room, or no time, for a process.
        """
        # Not before: processes are started in the thread that hears signals, which is the one that computes.
        while len(self._workers) < self._wanted:
            self._workers.append(self._start())
        round_ = _Round(_by_unit(tasks))
        try:
            while len(round_.finished) < len(tasks):
                self._turn(round_)
        except BaseException:
            # No answer to a task that is given up may be taken for that to another.
            self.close()
            raise
        return [round_.finished[index] for index in range(len(tasks))]

    def _turn(self, round_: _Round) -> None:
        """Give out what is pending, then wait for answers."""
        self._give(round_.pending)
        busy = [worker for worker in self._workers if worker.waiting]
        patience = max(0.0, min(worker.ends_at for worker in busy) - time.monotonic())
        ready = wait([worker.pipe for worker in busy], patience)
        for worker in busy:
            if worker.pipe in ready:
                self._take(worker, round_)
            elif time.monotonic() > worker.ends_at:
                self._late(worker, round_)

    def _give(self, pending: deque[tuple[int, Task]]) -> None:
        for worker in self._workers:
            if not worker.waiting and pending:
                share = max(1, min(_CHUNK, len(pending) // len(self._workers)))
                # Of one unit alone: how long an answer may take depends on the unit.
                unit = pending[0][1].unit
                while pending and pending[0][1].unit is unit and len(worker.waiting) < share:
                    worker.waiting.append(pending.popleft())
                self._send(worker)

    def _send(self, worker: _Worker) -> None:
        worker.since, worker.has_begun = time.monotonic(), False
        # One that died meanwhile is found out when its answer is waited for.
        with suppress(OSError):
            worker.pipe.send([task for _, task in worker.waiting])

    def _take(self, worker: _Worker, round_: _Round) -> None:
        try:
            answer: _Answer | MeshError = worker.pipe.recv()
        except (EOFError, OSError):
            self._died(worker, round_)
            return
        if isinstance(answer, MeshError):
            raise answer
        worker.since, worker.cpu_s, worker.has_begun = time.monotonic(), answer.cpu_s, True
        if answer.finished is not None:
            index, _ = worker.waiting.popleft()
            round_.finished[index] = answer.finished

    def _died(self, worker: _Worker, round_: _Round) -> None:
        """Try once more what a process died at, by itself: of tasks given together any may have been it."""
        cpu_s = _end(worker, patience_s=_GRACE_S)
        blamed, _ = worker.waiting[0]
        if blamed in round_.fatal:
            self._fail(worker, round_, f"its process ended with code {worker.process.exitcode}", cpu_s)
        else:
            round_.fatal.add(blamed)
            while len(worker.waiting) > 1:
                round_.pending.appendleft(worker.waiting.pop())
        self._renew(worker)

    def _late(self, worker: _Worker, round_: _Round) -> None:
        if not worker.has_begun:
            raise TransientError(f"a process for units did not begin within {_START_S:g} s")
        deadline_s = worker.waiting[0][1].unit.deadline_s
        self._fail(worker, round_, f"longer than its deadline of {deadline_s:g} s", _end(worker))
        self._renew(worker)

    def _fail(self, worker: _Worker, round_: _Round, reason: str, cpu_s: float) -> None:
        """Settle what a process was at as failed."""
        index, _ = worker.waiting.popleft()
        seconds, spent = time.monotonic() - worker.since, max(0.0, cpu_s - worker.cpu_s)
        round_.finished[index] = Finished(
            "failed", reason, None, seconds=seconds, cpu_s=spent, is_transient=True
        )

    def _renew(self, worker: _Worker) -> None:
        fresh = self._start()
        worker.process, worker.pipe, worker.cpu_s = fresh.process, fresh.pipe, 0.0
        if worker.waiting:
            self._send(worker)

    def _start(self) -> _Worker:
        try:
            return self._started()
        except OSError as error:
            # It is not about what is to be computed.
            raise TransientError(f"no process can be started for units: {error.strerror}") from error

    def _started(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(theirs,), daemon=True)
        with interrupts_held():
            process.start()
        theirs.close()
        return _Worker(process, ours)

    def close(self) -> None:
        """End the processes; they are started again when there is more to run."""
        for worker in self._workers:
            _end(worker)
        self._workers = []


def _by_unit(tasks: Sequence[Task]) -> deque[tuple[int, Task]]:
    """Return tasks with their places, those of a unit behind each other."""
    groups: dict[int, list[tuple[int, Task]]] = {}
    for index, task in enumerate(tasks):
        groups.setdefault(id(task.unit), []).append((index, task))
    return deque(chain.from_iterable(groups.values()))


def _end(worker: _Worker, *, patience_s: float = 0.0) -> float:
    """End a process, unless it ends by itself in time; return all CPU time that it took, in seconds."""
    before = _cpu_of_ended_s()
    worker.process.join(patience_s)
    worker.process.kill()
    worker.process.join()
    worker.pipe.close()
    return _cpu_of_ended_s() - before


def _cpu_of_ended_s() -> float:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


def _work(pipe: Connection) -> None:
    """Answer lists of tasks, once at the beginning and once per task, until the other end closes."""
    interrupts_ignored()  # whoever asked is told too, and ends this one
    sys.stdout = sys.stderr  # what units print is nobody's output
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            tasks: list[Task] = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(_Answer(None, time.process_time()))
            for finished in execute_all(tasks, time.process_time):
                pipe.send(_Answer(finished, time.process_time()))
        except MeshError as error:
            pipe.send(error)


def _end_with_parent() -> None:
    """End at once when nobody is left to answer to: what a unit is at goes on for nobody."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
