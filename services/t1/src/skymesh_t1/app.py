"""Putting the service T1 together."""

from __future__ import annotations

from skymesh.runtime.live import LiveMesh
from skymesh.runtime.service import Reading, serve
from skymesh_t1.settings import T1Settings
from skymesh_t1.tier import T1


async def build(mesh: LiveMesh, settings: T1Settings) -> list[Reading]:
    """Return what the service works on."""
    return [Reading(T1(mesh.context, inline_bytes=settings.inline_bytes))]


def main() -> int:
    """Serve until told to stop; return the exit code."""
    return serve("t1", T1Settings, build)
