"""Settings of a live mesh as a whole."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class MeshSettings(BaseSettings):
    """What names and sizes a mesh, from ``SKYMESH_…``.

    Attributes
    ----------
    mesh
        What its topics are named by, ``skymesh.<mesh>.<record>.v1``: several meshes may share a cluster.
    partitions
        Of every topic, for `skymesh store init`: the most workers of a tier that can share it. It stays,
        until `skymesh store new-epoch` changes it.
    """

    model_config = SettingsConfigDict(env_prefix="SKYMESH_", extra="ignore", frozen=True)

    mesh: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")] = "live"
    partitions: Annotated[int, Field(ge=1, le=10_000)] = 8
