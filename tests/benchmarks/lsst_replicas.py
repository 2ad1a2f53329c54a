"""Many distinct LSST packets made of a few: every id in a replica is its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import fastavro
import replicas

FILES = "lsst/real_native/rubin_2025*.avro"
_IDS = frozenset({"diaSourceId", "diaObjectId", "diaForcedSourceId", "parentDiaSourceId"})
_STAMPS = ("cutoutDifference", "cutoutScience", "cutoutTemplate")
_PER_REPLICA = 1_000_003


def lsst_packets(first: int, count: int, *, has_cutouts: bool) -> Iterator[tuple[str, bytes]]:
    """Yield object and bytes of packets, each of an object of its own.

    Parameters
    ----------
    first, count
        Which replicas.
    has_cutouts
        Whether they carry their image stamps.
    """
    originals = list(_originals())
    writers = {id(schema): replicas.ContainerWriter(schema) for schema, _ in originals}
    for number in range(first, first + count):
        schema, record = originals[number % len(originals)]
        moved = _moved(record, (1 + number) * _PER_REPLICA)
        if not has_cutouts:
            moved |= dict.fromkeys(_STAMPS)
        yield f"lsst:{moved['diaSource']['diaObjectId']}", writers[id(schema)].container(moved)


def _originals() -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield schema and record of those packets that are about an object."""
    for path in sorted(replicas.data_folder().glob(FILES)):
        with path.open("rb") as stream:
            reader = fastavro.reader(stream)
            schema = fastavro.parse_schema(reader.writer_schema)
            for record in reader:
                assert isinstance(record, dict)
                if record["diaObject"] is not None:
                    yield schema, record


def _moved(value: Any, by: int) -> Any:
    """Return a record with all its ids moved on."""
    if isinstance(value, list):
        return [_moved(item, by) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: item + by if name in _IDS and item else _moved(item, by) for name, item in value.items()}
