"""Where the schemas of messages are found that name theirs by an id."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from pathlib import Path

from skymesh.codecs.confluent import Schemas, SchemaSource
from skymesh.codecs.schema_registry import SchemaRegistry
from skymesh.surveys import registry

REGISTRY_VARIABLE = "SKYMESH_SCHEMA_REGISTRY"


@dataclass(frozen=True)
class SchemaSettings:
    """Where schemas are looked for.

    Attributes
    ----------
    folders
        A folder of schemas by survey, from ``SKYMESH_<SURVEY>_SCHEMAS``.
    registry
        Address of a schema registry, from ``SKYMESH_SCHEMA_REGISTRY``; empty for none.
    """

    folders: dict[str, Path] = field(default_factory=dict)
    registry: str = ""


def folder_variable(survey: str) -> str:
    """Return the name of the setting that says where a survey's schemas are."""
    return f"SKYMESH_{survey.upper()}_SCHEMAS"


def schema_settings() -> SchemaSettings:
    """Return where the schemas of the installed surveys are found, from the environment."""
    named = {survey.name: os.environ.get(folder_variable(survey.name), "") for survey in registry.framed()}
    folders = {survey: Path(folder) for survey, folder in named.items() if folder}
    return SchemaSettings(folders, os.environ.get(REGISTRY_VARIABLE, ""))


def schemas_of(settings: SchemaSettings, *, unknown_s: float = math.inf) -> Schemas:
    """Return the schemas of messages: from folders, then a registry, then packages of the surveys.

    Parameters
    ----------
    settings
        Where to look.
    unknown_s
        After so many seconds it is asked again for an id that nobody knew.

    Raises
    ------
    SettingsError
        If a folder is not there, or the registry's address is none.
    """
    sources: list[SchemaSource] = []
    surveys = registry.framed()
    sources += [s.schemas_in(settings.folders[s.name]) for s in surveys if s.name in settings.folders]
    if settings.registry:
        sources.append(SchemaRegistry(settings.registry))
    sources += [found for survey in surveys if (found := survey.packaged_schemas()) is not None]
    folders = " or ".join(folder_variable(survey.name) for survey in surveys)
    hint = f"set {folders} to a folder, or {REGISTRY_VARIABLE} to an address"
    return Schemas(sources, hint, unknown_s=unknown_s)
