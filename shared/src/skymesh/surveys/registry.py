"""The surveys that are installed, by the entry-point group ``skymesh.surveys``."""

from __future__ import annotations

import functools
from importlib.metadata import entry_points
from typing import Any

from skymesh.codecs.avro import Header, Tables
from skymesh.errors import NotFoundError, UnknownSchemaError
from skymesh.model.point import DataPoint
from skymesh.surveys.survey import FramedSurvey, Survey

GROUP = "skymesh.surveys"


@functools.cache
def installed() -> dict[str, Survey]:
    """Return every installed survey by its name."""
    surveys: list[Survey] = [point.load()() for point in entry_points(group=GROUP)]
    return {survey.name: survey for survey in sorted(surveys, key=lambda survey: survey.name)}


def get(name: str) -> Survey:
    """Return a survey by name.

    Raises
    ------
    NotFoundError
        If it is not installed.
    """
    try:
        return installed()[name]
    except KeyError:
        raise NotFoundError(
            f"no survey of this name; installed: {', '.join(installed())}", where=name
        ) from None


@functools.lru_cache(maxsize=256)
def of_header(header: Header) -> tuple[Survey, Tables]:
    """Return the survey that writes packets of this schema, and the history lists to read as tuples.

    Raises
    ------
    UnknownSchemaError
        If no installed survey knows the schema.
    """
    return _find(header.schema)


def _find(schema: Any) -> tuple[Survey, Tables]:
    for survey in installed().values():
        try:
            tables = survey.tables(schema)
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UnknownSchemaError(f"no valid Avro schema ({type(error).__name__})") from error
        if tables is not None:
            return survey, tables
    name = schema.get("name", "?") if isinstance(schema, dict) else str(schema)
    raise UnknownSchemaError(f"no installed survey ({', '.join(installed())}) writes the schema {name!r}")


def framed() -> tuple[FramedSurvey, ...]:
    """Return the installed surveys whose packets name their schema by an id."""
    return tuple(survey for survey in installed().values() if isinstance(survey, FramedSurvey))


def values_of(point: DataPoint, values: tuple[Any, ...]) -> dict[str, Any]:
    """Return raw values under the survey's names, absent ones left out."""
    names = get(point.survey).fields(point.kind)
    return {name: value for name, value in zip(names, values, strict=True) if value is not None}
