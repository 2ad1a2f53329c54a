"""Putting the sink of the journal together."""

from __future__ import annotations

from skymesh.runtime.live import LiveMesh
from skymesh.runtime.service import Reading, serve
from skymesh_provenance.settings import ProvenanceSettings
from skymesh_provenance.tier import Provenance


async def build(mesh: LiveMesh, settings: ProvenanceSettings) -> list[Reading]:  # noqa: ARG001  # as in every service
    """Return what the service works on."""
    return [Reading(Provenance())]


def main() -> int:
    """Serve until told to stop; return the exit code."""
    return serve("provenance", ProvenanceSettings, build)
