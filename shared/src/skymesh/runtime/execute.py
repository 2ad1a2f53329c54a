"""Executing analysers: in this process, or in processes that can be ended."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np

from skymesh.errors import InvariantError, MissingInputError, TransientError, UnitTimeoutError
from skymesh.model.execution import Outcome
from skymesh.model.ids import Digest
from skymesh.runtime.guard import deadline, problem_of
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
    seconds
        How long the unit ran.
    is_transient
        It was ended from outside: not to be remembered.
    """

    outcome: Outcome
    reason: str
    content: dict[str, Any] | None
    seconds: float
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
        return [execute(task) for task in tasks]

    def close(self) -> None:
        """Do nothing: there are no processes."""


def execute(task: Task) -> Finished:
    """Run one task up to its deadline; whatever the unit raises is its outcome.

    Raises
    ------
    TransientError, InvariantError
        As the unit raises them.
    """
    arguments = dict(task.arguments)
    for name in task.random:
        arguments[name] = np.random.Generator(np.random.PCG64(int.from_bytes(task.id, "big")))
    start = time.perf_counter()
    try:
        with deadline(task.unit.deadline_s):
            made = task.unit.run(**arguments)  # type: ignore[attr-defined]  # its hints were checked by the plan
        content = plain_content(made, task.makes)
    except MissingInputError as error:
        return Finished("missing", str(error), None, time.perf_counter() - start)
    except UnitTimeoutError as error:
        return Finished("failed", str(error), None, time.perf_counter() - start, is_transient=True)
    except (TransientError, InvariantError, KeyboardInterrupt):
        raise
    except BaseException as error:  # science code may fail in any way, sys.exit among them
        return Finished("failed", problem_of(error), None, time.perf_counter() - start)
    return Finished("ok", "", content, time.perf_counter() - start)


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
