"""Putting the service T3 together."""

from __future__ import annotations

from skymesh.runtime.live import LiveMesh
from skymesh.runtime.service import Reading, serve
from skymesh_t3.settings import T3Settings
from skymesh_t3.tier import T3


async def build(mesh: LiveMesh, settings: T3Settings) -> list[Reading]:  # noqa: ARG001  # as in every service
    """Return what the service works on."""
    return [Reading(T3(mesh.context))]


def main() -> int:
    """Serve until told to stop; return the exit code."""
    return serve("t3", T3Settings, build)
