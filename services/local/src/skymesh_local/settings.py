"""Settings of the embedded mesh."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from skymesh.runtime.loop import BATCH_RECORDS

OUT = Path("skymesh-out")
"""Where runs put their files unless they are told."""

STORE_NAME = "store.db"
"""The store in a run's folder, unless another is named."""

REGISTRY_VARIABLE = "SKYMESH_SCHEMA_REGISTRY"


@dataclass(frozen=True)
class SchemaSettings:
    """Where the schemas of messages are found that name theirs by an id.

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


def schema_settings(surveys: Iterable[str]) -> SchemaSettings:
    """Return where the schemas of some surveys are found, from the environment."""
    named = {survey: os.environ.get(folder_variable(survey), "") for survey in surveys}
    folders = {survey: Path(folder) for survey, folder in named.items() if folder}
    return SchemaSettings(folders, os.environ.get(REGISTRY_VARIABLE, ""))


@dataclass(frozen=True)
class RunSettings:
    """What the command line says of a run.

    Attributes
    ----------
    job
        A job file, or the name of a built-in job.
    alerts
        Avro files, folders, tars; empty for the simulated night.
    store
        URL of the store; empty for one in the run's folder.
    name
        Makes the run apart from others of the same job and log.
    log
        A run whose log is replayed, in `store`; empty for none.
    out
        The run's folder; None for one under `OUT`.
    parameters
        Values for the job's parameters.
    workers
        Processes for units; 1 runs them in this one.
    batch_records
        Most records in a batch.
    schemas
        Where the schemas of messages are found.
    """

    job: str
    alerts: tuple[Path, ...] = ()
    store: str = ""
    name: str = ""
    log: str = ""
    out: Path | None = None
    parameters: dict[str, str] = field(default_factory=dict)
    workers: int = 1
    batch_records: int = BATCH_RECORDS
    schemas: SchemaSettings = SchemaSettings()


def log_level() -> str:
    """Return the level of the logs, from ``SKYMESH_LOG_LEVEL``."""
    return os.environ.get("SKYMESH_LOG_LEVEL", "warning")
