"""Putting the service T0 together."""

from __future__ import annotations

from skymesh.runtime.live import LiveMesh
from skymesh.runtime.service import Reading, serve
from skymesh_t0.settings import T0Settings
from skymesh_t0.tier import T0


async def build(mesh: LiveMesh, settings: T0Settings) -> list[Reading]:  # noqa: ARG001  # as in every service
    """Return what the service works on."""
    return [Reading(T0(mesh.context))]


def main() -> int:
    """Serve until told to stop; return the exit code."""
    return serve("t0", T0Settings, build)
