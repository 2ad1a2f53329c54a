"""Settings for making a live mesh."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class MeshSettings(BaseSettings):
    """What `skymesh store init` reads, from ``SKYMESH_…``.

    Attributes
    ----------
    partitions
        Of every topic: the most workers of a tier that can share its work. It cannot be changed later.
    """

    model_config = SettingsConfigDict(env_prefix="SKYMESH_", extra="ignore", frozen=True)

    partitions: Annotated[int, Field(ge=1, le=10_000)] = 8
