"""Putting the service T2 together."""

from __future__ import annotations

from skymesh.runtime.execute import InProcessExecutor
from skymesh.runtime.live import LiveMesh, make_pools
from skymesh.runtime.process_pool import ProcessExecutor
from skymesh.runtime.service import Reading, serve
from skymesh_t2.pool import Pool
from skymesh_t2.settings import T2Settings
from skymesh_t2.tier import T2


async def build(mesh: LiveMesh, settings: T2Settings) -> list[Reading]:
    """Return what the service works on."""
    await make_pools(mesh, {settings.pool} - {""})
    executor = ProcessExecutor(settings.workers) if settings.workers else InProcessExecutor()
    return [Reading(T2(mesh.context, executor, Pool(settings.pool)), close=executor.close)]


def main() -> int:
    """Serve until told to stop; return the exit code."""
    return serve("t2", T2Settings, build)
