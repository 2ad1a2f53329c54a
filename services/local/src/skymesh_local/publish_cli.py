"""What ``skymesh publish`` does: it finds the files and the mesh."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from skymesh.errors import SettingsError
from skymesh.runtime.topics import survey_record
from skymesh.settings.service import RECORD_BYTES
from skymesh.surveys import registry
from skymesh.telemetry.progress import meter
from skymesh_ingest.reading import Container, Unreadable
from skymesh_ingest.schemas import schema_settings, schemas_of
from skymesh_local.mesh_cli import on_mesh, store_url
from skymesh_local.packet_files import PacketFile, find_files, name_of, read_containers
from skymesh_local.publish import Published, Target, publish_packets

if TYPE_CHECKING:
    from skymesh.runtime.live import LiveMesh


def publish_files(survey: str, paths: Sequence[Path], store: str) -> Published:
    """Publish the packets of files to a live mesh.

    Raises
    ------
    SettingsError
        If there are no packets, or packets of another survey, or no mesh.
    TransientError
        If a schema cannot be looked up, or the mesh does not answer.
    """
    survey = registry.get(survey).name
    files = find_files(paths)
    if not files:
        where = ", ".join(map(name_of, paths))
        raise SettingsError("no Avro file, no *.confluent.bin and no tar in there", where=where)
    schemas = schemas_of(schema_settings())

    async def work(mesh: LiveMesh) -> Published:
        topic = mesh.context.topic(survey_record(survey))
        target = Target(mesh.bus, mesh.store, topic, survey, RECORD_BYTES)
        return await publish_packets(_containers(files), schemas, target)

    return on_mesh(store_url(store), work)


def _containers(files: Sequence[PacketFile]) -> Iterator[Container | Unreadable]:
    with meter("packets", len(files)) as progress:
        for file in files:
            yield from read_containers(file)
            progress.advance(1)
