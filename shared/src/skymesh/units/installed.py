"""The units that are installed, by the entry-point group ``skymesh.units``, loaded by name."""

from __future__ import annotations

import difflib
import functools
import hashlib
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pydantic import ValidationError

from skymesh.errors import JobError, SettingsError
from skymesh.model.execution import UnitRef, config_id
from skymesh.model.ids import Digest, digest_of
from skymesh.units.source import sources_of
from skymesh.units.unit import Unit

GROUP = "skymesh.units"


@functools.cache
def units() -> dict[str, EntryPoint]:
    """Return the entry point of every installed unit by name, without loading any."""
    return {point.name: point for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)}


@functools.cache
def load(name: str) -> type[Unit]:
    """Return a unit's class.

    Raises
    ------
    SettingsError
        If there is no such unit, it cannot be imported, or it is none.
    """
    points = units()
    if name not in points:
        near = difflib.get_close_matches(name, points, n=1)
        hint = f"; did you mean {near[0]}?" if near else f"; installed: {', '.join(points)}"
        raise SettingsError(f"there is no unit {name!r}{hint}")
    try:
        unit = points[name].load()
    except (Exception, SystemExit) as error:  # somebody's module may do anything when it is imported
        problem = " ".join(f"{type(error).__name__}: {error}".split())
        raise SettingsError(f"unit {name!r} cannot be imported: {problem}") from error
    if not (isinstance(unit, type) and issubclass(unit, Unit)):
        raise SettingsError(f"unit {name!r} is no subclass of skymesh.units.Unit")
    if not isinstance(getattr(unit, "version", None), str):
        raise SettingsError(f"unit {name!r} declares no version")
    return unit


def configure(name: str, config: dict[str, Any]) -> Unit:
    """Return a unit with its parameters, defaults filled in.

    Raises
    ------
    SettingsError
        If there is no such unit.
    JobError
        With one line for each parameter that is unknown, missing or mistyped.
    """
    unit = load(name)
    try:
        return unit(**config)
    except ValidationError as error:
        lines = tuple(_problems(unit, error))
        raise JobError(lines[0], lines=lines) from None
    except TypeError:
        raise SettingsError("the names of parameters are text") from None


def reference(name: str, unit: Unit) -> UnitRef:
    """Return name, version, config and code of a configured unit."""
    return UnitRef(name, unit.version, config_id(parameters(unit)), code_digest(name))


def parameters(unit: Unit) -> dict[str, Any]:
    """Return the resolved parameters of a unit as plain values."""
    return unit.model_dump(mode="json")


@functools.cache
def code_digest(name: str) -> Digest:
    """Return the digest of a unit's source (see `sources_of`) and of its distribution's version."""
    sources = sources_of(load(name))
    digests = [hashlib.blake2b(sources[module]).digest() for module in sorted(sources)]
    point = units()[name]
    distribution = point.dist.version if point.dist is not None else ""
    return digest_of("code", [*digests, distribution])


def _problems(unit: type[Unit], error: ValidationError) -> list[str]:
    problems = []
    for item in error.errors():
        place = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            names = ", ".join(unit.model_fields) or "none"
            known = f"; there are: {names}" if len(item["loc"]) == 1 else ""
            problems.append(f"{place}: no such parameter{known}")
        elif item["type"] == "missing":
            problems.append(f"{place}: this parameter must be given")
        elif item["type"] == "value_error":
            problems.append(f"{place}: {item['ctx']['error']}, not {item['input']!r}")
        else:
            problems.append(f"{place}: {item['msg'].lower()}, not {item['input']!r}")
    return problems
