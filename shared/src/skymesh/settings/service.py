"""Settings that every service has."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

RECORD_BYTES = 900_000
"""Largest record that is published itself: with its key and headers less than Kafka takes by default."""


class ServiceSettings(BaseSettings):
    """What every service reads, from ``SKYMESH_…``; the rest has classes of its own.

    Attributes
    ----------
    store
        URL of the store: ``cassandra://host:port/keyspace``.
    metrics_port
        Where ``/live``, ``/ready`` and ``/metrics`` answer; unset: a free port, which is logged.
    log_level
        How much is logged.
    instance
        A name of this process that stays over restarts, one for each process of a service: it has its
        partitions again when it is back in time. Empty: a new member of the group each time.
    session_s
        After how long a silence the others get the partitions of this process, in seconds.
    grace_s
        How long the last batch may take once the service is told to stop, in seconds.
    batch_records
        Most records in a batch.
    batch_s
        How long a batch should take at most, in seconds: slower ones make the next smaller.
    stale_s
        Without progress for so long ``/live`` says that the service is stuck, in seconds: longer than any
        batch lasts.
    expiry_warning_s
        Warn when the oldest unread record may be gone in less than this, in seconds.
    record_bytes
        Largest record that is published itself: less than Kafka takes. Larger ones travel by reference.
    """

    model_config = SettingsConfigDict(env_prefix="SKYMESH_", extra="ignore", frozen=True)

    store: str
    metrics_port: Annotated[int | None, Field(ge=0, le=65535)] = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    instance: str = ""
    session_s: Annotated[float, Field(ge=1.0, le=300.0)] = 10.0
    grace_s: Annotated[float, Field(gt=0.0)] = 20.0
    batch_records: Annotated[int, Field(ge=1, le=10_000)] = 500
    batch_s: Annotated[float, Field(gt=0.0)] = 5.0
    stale_s: Annotated[float, Field(gt=0.0)] = 600.0
    expiry_warning_s: Annotated[float, Field(ge=0.0)] = 24 * 3600.0
    record_bytes: Annotated[int, Field(ge=1024)] = RECORD_BYTES

    def tier_of(self, service: str) -> str:
        """Return the name of the tier that a service is with these settings."""
        return service
