"""Settings of the embedded mesh."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from skymesh.runtime.loop import BATCH_RECORDS
from skymesh_ingest.schemas import SchemaSettings

OUT = Path("skymesh-out")
"""Where runs put their files unless they are told."""

STORE_NAME = "store.db"
"""The store in a run's folder, unless another is named."""


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
    deliver
        Whether real alerts are told through the outlets that the job names; else all goes to files.
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
    deliver: bool = False
    schemas: SchemaSettings = field(default_factory=SchemaSettings)


def log_level() -> str:
    """Return the level of the logs, from ``SKYMESH_LOG_LEVEL``."""
    return os.environ.get("SKYMESH_LOG_LEVEL", "warning")
