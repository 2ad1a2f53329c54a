"""The wiring of analysers: what the type hints of ``run`` ask for.

A hint is met by the one instance of the channel that makes exactly that result type; parameter
names never decide. Which instance it is, the job settles (`skymesh.jobs.plan`).
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple, Union

import numpy as np

from skymesh.errors import SettingsError
from skymesh.lightcurve import LightCurve
from skymesh.model.state import State
from skymesh.units.inputs import DataPoints
from skymesh.units.unit import Analyser, Result


class InputKind(Enum):
    """What an input is made from."""

    STATE = "state"
    CURVE = "light curve"
    POINTS = "datapoints"
    RANDOM = "random numbers"
    RESULT = "result"
    OPTIONAL_RESULT = "result, may be absent"
    ALL_RESULTS = "all results of a type, by instance"
    VIEW = "view of the object"
    REACTION = "the reaction itself"
    EARLIER = "result on the state before, may be absent"
    LAST = "last delivery, may be absent"


class Hint(NamedTuple):
    """One parameter of ``run``.

    Attributes
    ----------
    name
        The parameter.
    kind
        What it asks for.
    result
        The result type it asks for, where it asks for results.
    """

    name: str
    kind: InputKind
    result: type[Result] | None


class Signature(NamedTuple):
    """What an analyser takes and makes."""

    hints: tuple[Hint, ...]
    makes: type[Result]


_PLAIN: dict[Any, InputKind] = {
    State: InputKind.STATE,
    LightCurve: InputKind.CURVE,
    DataPoints: InputKind.POINTS,
    np.random.Generator: InputKind.RANDOM,
}


def signature_of(unit: type[Analyser]) -> Signature:
    """Read the wiring of an analyser.

    Raises
    ------
    SettingsError
        If a hint is missing or asks for something that no instance can give.
    """
    run = getattr(unit, "run", None)
    if not callable(run):
        raise SettingsError(f"{unit.__name__} has no method run")
    try:
        hints = typing.get_type_hints(run)
    except (NameError, TypeError) as error:
        raise SettingsError(f"{unit.__name__}.run: its type hints cannot be read: {error}") from error
    names = [name for name in inspect.signature(run).parameters if name != "self"]
    makes: Any = hints.get("return")
    if not _is_result(makes):
        raise SettingsError(f"{unit.__name__}.run: its return type must be a subclass of Result, not {makes}")
    return Signature(tuple(hint_of(f"{unit.__name__}.run({n})", n, hints.get(n)) for n in names), makes)


def hint_of(place: str, name: str, hint: Any) -> Hint:
    """Return what a parameter asks for.

    Parameters
    ----------
    place
        Where it stands, for the text of an error.
    name, hint
        The parameter and its annotation.

    Raises
    ------
    SettingsError
        If nothing in a job gives it.
    """
    if hint in _PLAIN:
        return Hint(name, _PLAIN[hint], None)
    if _is_result(hint):
        return Hint(name, InputKind.RESULT, hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        others = [argument for argument in arguments if argument is not types.NoneType]
        if len(others) == 1 and len(arguments) > 1 and _is_result(others[0]):
            return Hint(name, InputKind.OPTIONAL_RESULT, others[0])
    if origin in (Mapping, dict, typing.Mapping) and arguments[0] is str and _is_result(arguments[1]):
        return Hint(name, InputKind.ALL_RESULTS, arguments[1])
    if origin in (list, tuple, set):
        raise SettingsError(f"{place}: a list of results has no names; ask for Mapping[str, X] instead")
    if hint is None:
        raise SettingsError(f"{place}: every parameter needs a type hint")
    raise SettingsError(f"{place}: nothing in a job makes {hint}")


def _is_result(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Result) and hint is not Result
