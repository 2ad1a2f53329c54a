"""A job file as it is written."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from skymesh.jobs.outlets import OutletName, ProductOutletName
from skymesh.jobs.when import ALWAYS
from skymesh.units.reaction import Once

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=64)]
"""Names of jobs, channels and instances: letters, digits and underscores."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class UnitSpec(_Part):
    """A unit and its parameters."""

    unit: str
    config: dict[str, Any] = {}


class WiredSpec(UnitSpec):
    """A unit with inputs; `inputs` names the instance or resource for one that several could meet."""

    inputs: dict[str, Name] = {}


class AnalyseSpec(WiredSpec):
    """An analyser; `pool` names the pool of workers that runs it in a live mesh, in the place of its own."""

    pool: str | None = None


def _as_text(value: Any) -> Any:
    """Return the text of a condition that YAML reads as a flag: ``true`` and ``false``."""
    return str(value) if isinstance(value, bool) else value


class ReactSpec(WiredSpec):
    """A reaction: what is told, when, how often and to whom."""

    when: Annotated[str, BeforeValidator(_as_text)] = ALWAYS
    once: Once | None = None
    to: Annotated[list[OutletName], Field(min_length=1)]


class ResourceSpec(_Part):
    """Something from outside that units may ask for: a catalogue, by its folder."""

    catalogue: Annotated[str, Field(min_length=1)]


class SummariseSpec(UnitSpec):
    """A product of the whole run, made from some channels and handed to outlets."""

    channels: Annotated[list[Name], Field(min_length=1)]
    to: Annotated[list[ProductOutletName], Field(min_length=1)]


class ChannelSpec(_Part):
    """One science programme: what it may see, keeps and computes."""

    access: Annotated[list[str], Field(min_length=1)]
    filter: WiredSpec
    follow: bool = False
    combine: UnitSpec = UnitSpec(unit="VisiblePoints")
    curve: UnitSpec = UnitSpec(unit="DifferenceFlux")
    analyse: dict[Name, AnalyseSpec] = {}
    react: dict[Name, ReactSpec] = {}


class JobSpec(_Part):
    """A whole job."""

    name: Name
    parameters: dict[Name, Any] = {}
    resources: dict[Name, ResourceSpec] = {}
    channels: Annotated[dict[Name, ChannelSpec], Field(min_length=1)]
    summarise: dict[Name, SummariseSpec] = {}
