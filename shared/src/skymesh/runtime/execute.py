"""Executing analysers: in this process, or in processes that can be ended."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np

from skymesh.errors import InvariantError, MissingInputError, TransientError, UnitTimeoutError
from skymesh.model.execution import Outcome, content_digest
from skymesh.model.ids import Digest
from skymesh.provenance.journal import CpuClock, Stopwatch
from skymesh.runtime.guard import call_within, guarded, problem_of, text_of
from skymesh.runtime.interrupts import is_interrupt
from skymesh.units.unit import Analyser, Result


@dataclass(frozen=True)
class Task:
    """One execution to do.

    Attributes
    ----------
    id
        Id of the execution; seeds the random numbers, if the unit asks for any.
    unit, makes
        The configured unit and its result type.
    arguments
        What it is given, by parameter name.
    random
        Names of the parameters that ask for random numbers.
    """

    id: Digest
    unit: Analyser
    makes: type[Result]
    arguments: Mapping[str, Any]
    random: tuple[str, ...] = ()


class Finished(NamedTuple):
    """How an execution ended.

    Attributes
    ----------
    outcome, reason
        ``ok``, or ``missing`` or ``failed`` and why.
    content
        The result as plain values; None unless ok.
    digest
        Of outcome and content; None unless ok.
    seconds
        How long the unit ran.
    cpu_s
        CPU time that it took, in seconds.
    is_transient
        It was ended from outside: not to be remembered.
    """

    outcome: Outcome
    reason: str
    content: dict[str, Any] | None
    digest: Digest | None = None
    seconds: float = 0.0
    cpu_s: float = 0.0
    is_transient: bool = False


class Executor(Protocol):
    """Something that runs tasks."""

    def run(self, tasks: Sequence[Task]) -> list[Finished]:
        """Run tasks; return how each ended, in their order.

        Raises
        ------
        TransientError
            If a unit says that a service is away: then nothing is settled.
        """

    def close(self) -> None:
        """Let go of processes."""


class InProcessExecutor:
    """Runs tasks one after the other in this process."""

    def run(self, tasks: Sequence[Task]) -> list[Finished]:
        """Run tasks."""
        return list(execute_all(tasks))

    def close(self) -> None:
        """Do nothing: there are no processes."""


def execute_all(tasks: Sequence[Task], cpu_clock: CpuClock = time.thread_time) -> Iterator[Finished]:
    """Run tasks and yield how each ended, in their order.

    Those of a unit with a batch form run together, when the first of them is due.

    Parameters
    ----------
    tasks
        The tasks.
    cpu_clock
        Tells the CPU time spent so far, in seconds: of this thread, where others are at something else.

    Raises
    ------
    TransientError, InvariantError
        As a unit raises them.
    """
    together: dict[int, list[Task]] = {}
    for task in tasks:
        if type(task.unit).has_batch_form():
            together.setdefault(id(task.unit), []).append(task)
    # Generators: a group begins to run when its first task is reached, not before.
    ended = {unit: _execute_together(group, cpu_clock) for unit, group in together.items()}
    for task in tasks:
        yield next(ended[id(task.unit)]) if id(task.unit) in ended else execute(task, cpu_clock)


def _execute_together(tasks: list[Task], cpu_clock: CpuClock) -> Iterator[Finished]:
    """Run a unit's batch form and yield how each task ended.

    If it fails as a whole, each runs alone: one cannot spoil the rest.
    """
    unit, watch = tasks[0].unit, Stopwatch(cpu_clock)
    many, _ = guarded(
        lambda: list(unit.run_many([_arguments(task) for task in tasks])), unit.deadline_s * len(tasks)
    )
    if many is None or len(many) != len(tasks):
        yield from (execute(task, cpu_clock) for task in tasks)
        return
    seconds, cpu_s = watch.seconds(), watch.cpu_s()
    for task, made in zip(tasks, many, strict=True):
        yield _ended(task, made)._replace(seconds=seconds / len(tasks), cpu_s=cpu_s / len(tasks))


def execute(task: Task, cpu_clock: CpuClock = time.thread_time) -> Finished:
    """Run one task up to its deadline; whatever the unit raises is its outcome.

    Raises
    ------
    TransientError, InvariantError
        As the unit raises them.
    """
    watch = Stopwatch(cpu_clock)
    try:
        made = call_within(task.unit.deadline_s, functools.partial(_run, task))
    except BaseException as error:  # science code may fail in any way, sys.exit among them
        if is_interrupt(error):
            raise
        made = error
    seconds, cpu_s = watch.seconds(), watch.cpu_s()
    try:
        return _ended(task, made)._replace(seconds=seconds, cpu_s=cpu_s)
    finally:
        # An error holds this frame, and all that the unit had in its own: they are not to hold each other.
        del made


def _run(task: Task) -> Any:
    return task.unit.run(**_arguments(task))  # type: ignore[attr-defined]  # the plan checked its hints


def _arguments(task: Task) -> dict[str, Any]:
    arguments = dict(task.arguments)
    for name in task.random:
        arguments[name] = np.random.Generator(np.random.PCG64(int.from_bytes(task.id, "big")))
    return arguments


def _ended(task: Task, made: Any) -> Finished:
    """Return how an execution ended that gave a result or an error."""
    if isinstance(made, TransientError | InvariantError):
        raise made
    if isinstance(made, MissingInputError):
        return Finished("missing", text_of(made), None)
    if isinstance(made, UnitTimeoutError):
        return Finished("failed", text_of(made), None, is_transient=True)
    if isinstance(made, BaseException):
        return Finished("failed", problem_of(made), None)
    try:
        content = plain_content(made, task.makes)
        # Here, where a value that cannot be stored is the unit's own failure.
        digest = content_digest("ok", content)
    except Exception as error:
        return Finished("failed", problem_of(error), None)
    return Finished("ok", "", content, digest)


def plain_content(made: Any, makes: type[Result]) -> dict[str, Any]:
    """Return a result as plain values of the types that its class declares.

    Raises
    ------
    TypeError
        If it is not of that class.
    msgspec.ValidationError
        If a field is not of its type.
    """
    if type(made) is not makes:
        raise TypeError(f"run returned {type(made).__name__}, its hint says {makes.__name__}")
    content: dict[str, Any] = msgspec.to_builtins(made, enc_hook=_plain_number, builtin_types=(bytes,))
    msgspec.convert(content, makes)
    return content


def _plain_number(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"a result holds plain values, not {type(value).__name__}")
