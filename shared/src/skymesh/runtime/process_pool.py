"""Processes for units: one that hangs or dies loses its execution, and nothing else.

`concurrent.futures` cannot end one task of a pool without breaking all others, so the processes are
held here: each has a pipe, is given a few tasks, answers after each, and is replaced when it is late
or gone.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from skymesh.errors import MeshError
from skymesh.runtime.execute import Finished, Task, execute_all

_CHUNK = 16
# Beyond the deadline that a process keeps itself, for native code that never comes back.
_GRACE_S = 2.0


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    waiting: deque[tuple[int, Task]] = field(default_factory=deque)
    since: float = 0.0

    @property
    def ends_at(self) -> float:
        """When the next answer is late.

        A unit with a batch form may answer to all tasks at once, or fail on them all and then run alone.
        """
        unit = self.waiting[0][1].unit
        tasks = len(self.waiting) + 1 if type(unit).has_batch_form() else 1
        return self.since + unit.deadline_s * tasks + _GRACE_S


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
        """Run tasks; a process that is late or dies settles its task as failed."""
        # Not before: processes are started in the thread that hears signals, which is the one that computes.
        while len(self._workers) < self._wanted:
            self._workers.append(self._start())
        pending = _by_unit(tasks)
        finished: dict[int, Finished] = {}
        while len(finished) < len(tasks):
            self._give(pending)
            busy = [worker for worker in self._workers if worker.waiting]
            patience = max(0.0, min(worker.ends_at for worker in busy) - time.monotonic())
            ready = wait([worker.pipe for worker in busy], patience)
            for worker in busy:
                if worker.pipe in ready:
                    self._take(worker, finished)
                elif time.monotonic() > worker.ends_at:
                    deadline_s = worker.waiting[0][1].unit.deadline_s
                    self._replace(worker, finished, f"longer than its deadline of {deadline_s:g} s")
        return [finished[index] for index in range(len(tasks))]

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
        worker.since = time.monotonic()
        worker.pipe.send([task for _, task in worker.waiting])

    def _take(self, worker: _Worker, finished: dict[int, Finished]) -> None:
        try:
            answer: Finished | MeshError = worker.pipe.recv()
        except (EOFError, OSError):
            worker.process.join(1.0)
            self._replace(worker, finished, f"its process ended with code {worker.process.exitcode}")
            return
        if isinstance(answer, MeshError):
            self._abandon()
            raise answer
        index, _ = worker.waiting.popleft()
        finished[index] = answer
        worker.since = time.monotonic()

    def _replace(self, worker: _Worker, finished: dict[int, Finished], reason: str) -> None:
        index, _ = worker.waiting.popleft()
        finished[index] = Finished("failed", reason, None, time.monotonic() - worker.since, is_transient=True)
        _end(worker)
        fresh = self._start()
        worker.process, worker.pipe = fresh.process, fresh.pipe
        if worker.waiting:
            self._send(worker)

    def _abandon(self) -> None:
        """Replace every process, so that no answer to a task given up is taken for another's."""
        for worker in self._workers:
            _end(worker)
        self._workers = [self._start() for _ in self._workers]

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(theirs,), daemon=True)
        # Processes start deaf to an interrupt from the terminal: this one ends them.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        process.start()
        signal.signal(signal.SIGINT, before)
        theirs.close()
        return _Worker(process, ours)

    def close(self) -> None:
        """End the processes."""
        for worker in self._workers:
            _end(worker)
        self._workers = []


def _by_unit(tasks: Sequence[Task]) -> deque[tuple[int, Task]]:
    """Return tasks with their places, those of a unit behind each other."""
    groups: dict[int, list[tuple[int, Task]]] = {}
    for index, task in enumerate(tasks):
        groups.setdefault(id(task.unit), []).append((index, task))
    return deque(chain.from_iterable(groups.values()))


def _end(worker: _Worker) -> None:
    worker.process.kill()
    worker.process.join()
    worker.pipe.close()


def _work(pipe: Connection) -> None:
    """Answer lists of tasks, one answer per task, until the other end closes."""
    sys.stdout = sys.stderr  # what units print is nobody's output
    while True:
        try:
            tasks: list[Task] = pipe.recv()
        except EOFError:
            return
        try:
            for finished in execute_all(tasks):
                pipe.send(finished)
        except MeshError as error:
            pipe.send(error)
