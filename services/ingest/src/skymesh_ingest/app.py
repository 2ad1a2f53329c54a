"""Putting the service ingest together."""

from __future__ import annotations

from skymesh.runtime.live import LiveMesh
from skymesh.runtime.service import Reading, serve
from skymesh.runtime.topics import survey_record
from skymesh.surveys import registry
from skymesh_ingest.schemas import schema_settings, schemas_of
from skymesh_ingest.settings import IngestSettings
from skymesh_ingest.sources import broker_settings, opening
from skymesh_ingest.tier import Ingest


async def build(mesh: LiveMesh, settings: IngestSettings) -> list[Reading]:
    """Return what the service works on: the mesh's own topic of every survey, and the surveys' brokers."""
    schemas = schemas_of(schema_settings(), unknown_s=settings.schema_retry_s)
    tier = Ingest(mesh.context, schemas, keeps_packets=settings.keep_packets)
    topics = tuple(mesh.context.topic(survey_record(name)) for name in registry.installed())
    brokers = [Reading(tier, source=opening(broker, mesh)) for broker in broker_settings()]
    return [Reading(tier, topics), *brokers]


def main() -> int:
    """Serve until told to stop; return the exit code."""
    return serve("ingest", IngestSettings, build)
