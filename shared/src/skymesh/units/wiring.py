"""The wiring of units: what the type hints of their methods ask for.

A hint of results is met by the one instance of the channel that makes exactly that type, a hint of a
catalogue by the one of the job's resources; parameter names never decide. Which one it is, the job
settles (`skymesh.jobs.plan`).
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Annotated, Any, NamedTuple, Union

import numpy as np

from skymesh.catalogue import Catalogue
from skymesh.errors import SettingsError
from skymesh.lightcurve import LightCurve
from skymesh.model.point import DataPoint
from skymesh.model.state import State
from skymesh.units.filter import Filter, TableFilter
from skymesh.units.inputs import Cutouts, DataPoints, PointSelector, Position
from skymesh.units.unit import Analyser, Result


class InputKind(Enum):
    """What an input is made from."""

    STATE = "state"
    CURVE = "light curve"
    POINTS = "datapoints"
    POINT = "one datapoint"
    POSITION = "position"
    CUTOUTS = "image stamps"
    RANDOM = "random numbers"
    RESULT = "result"
    ALL_RESULTS = "all results of a type, by instance"
    CATALOGUE = "catalogue"
    ALL_CATALOGUES = "all catalogues of the job, by name"
    VIEW = "view of the object"
    REACTION = "the reaction itself"
    EARLIER = "result on the state before"
    LAST = "what was told last"


OF_RESULTS = frozenset({InputKind.RESULT, InputKind.ALL_RESULTS, InputKind.EARLIER})
"""Made by instances."""
OF_RESOURCES = frozenset({InputKind.CATALOGUE, InputKind.ALL_CATALOGUES})
"""Given by the job's resources."""
OF_MATERIAL = frozenset({InputKind.POINT, InputKind.POSITION, InputKind.CUTOUTS})
"""Known only when the points of a state, or its alert, are at hand; may be absent."""


class Hint(NamedTuple):
    """One parameter.

    Attributes
    ----------
    name
        The parameter.
    kind
        What it asks for.
    is_optional
        Whether it may be absent (``X | None``).
    result
        The result type it asks for, where it asks for results.
    selector
        Which point it asks for, where it asks for one.
    """

    name: str
    kind: InputKind
    is_optional: bool = False
    result: type[Result] | None = None
    selector: PointSelector | None = None


class Signature(NamedTuple):
    """What an analyser takes and makes."""

    hints: tuple[Hint, ...]
    makes: type[Result]


_PLAIN: dict[Any, InputKind] = {
    State: InputKind.STATE,
    LightCurve: InputKind.CURVE,
    DataPoints: InputKind.POINTS,
    Position: InputKind.POSITION,
    Cutouts: InputKind.CUTOUTS,
    Catalogue: InputKind.CATALOGUE,
    np.random.Generator: InputKind.RANDOM,
}
_MAY_BE_ABSENT = frozenset({InputKind.RESULT, InputKind.CATALOGUE}) | OF_MATERIAL


def signature_of(unit: type[Analyser]) -> Signature:
    """Read the wiring of an analyser.

    Raises
    ------
    SettingsError
        If a hint is missing or asks for something that no job can give.
    """
    run = getattr(unit, "run", None)
    if not callable(run):
        raise SettingsError(f"{unit.__name__} has no method run")
    hints = type_hints(unit, run)
    makes: Any = hints.pop("return", None)
    if not _is_result(makes):
        raise SettingsError(f"{unit.__name__}.run: its return type must be a subclass of Result, not {makes}")
    names = [name for name in inspect.signature(run).parameters if name != "self"]
    return Signature(tuple(hint_of(f"{unit.__name__}.run({n})", n, hints.get(n)) for n in names), makes)


def filter_hints(unit: type[Filter]) -> tuple[Hint, ...]:
    """Read which catalogues a filter asks for, behind the alerts that it judges.

    Raises
    ------
    SettingsError
        If a hint is missing or asks for something else.
    """
    method = unit.accept_table if issubclass(unit, TableFilter) else unit.accept
    hints = type_hints(unit, method)
    names = list(inspect.signature(method).parameters)[2:]
    found = [hint_of(f"{unit.__name__}.{method.__name__}({n})", n, hints.get(n)) for n in names]
    for hint in found:
        if hint.kind not in OF_RESOURCES:
            raise SettingsError(
                f"{unit.__name__}.{method.__name__}({hint.name}): a filter is given catalogues alone"
            )
    return tuple(found)


def type_hints(unit: type[Any], method: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations of a unit's method.

    Raises
    ------
    SettingsError
        If they cannot be read.
    """
    try:
        return typing.get_type_hints(method, include_extras=True)
    except (NameError, TypeError) as error:
        place = f"{unit.__name__}.{method.__name__}"
        raise SettingsError(f"{place}: its type hints cannot be read: {error}") from error


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
    if hint is None:
        raise SettingsError(f"{place}: every parameter needs a type hint")
    inner = without_none(hint)
    found = _hint(name, hint if inner is None else inner)
    if found is not None and (inner is None or found.kind in _MAY_BE_ABSENT):
        return found._replace(is_optional=inner is not None)
    if typing.get_origin(hint) in (list, tuple, set):
        raise SettingsError(f"{place}: a list of results has no names; ask for Mapping[str, X] instead")
    raise SettingsError(f"{place}: nothing in a job makes {hint}")


def _hint(name: str, hint: Any) -> Hint | None:
    if isinstance(hint, type) and hint in _PLAIN:
        return Hint(name, _PLAIN[hint])
    if _is_result(hint):
        return Hint(name, InputKind.RESULT, result=hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated and arguments[0] is DataPoint and hasattr(arguments[1], "select"):
        return Hint(name, InputKind.POINT, selector=arguments[1])
    if origin in (Mapping, dict) and arguments[0] is str and arguments[1] is Catalogue:
        return Hint(name, InputKind.ALL_CATALOGUES)
    if origin in (Mapping, dict) and arguments[0] is str and _is_result(arguments[1]):
        return Hint(name, InputKind.ALL_RESULTS, result=arguments[1])
    return None


def without_none(hint: Any) -> Any:
    """Return X of ``X | None``; None if the hint is no such union."""
    if typing.get_origin(hint) not in (Union, types.UnionType):
        return None
    arguments = typing.get_args(hint)
    others = [argument for argument in arguments if argument is not types.NoneType]
    return others[0] if len(others) == 1 and len(arguments) > 1 else None


def _is_result(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Result) and hint is not Result
