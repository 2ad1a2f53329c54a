"""Records that are too large for the bus: their bytes lie in the store, and a reference travels.

A reference is the byte 0xC1, which MessagePack never writes, and the 16 bytes of the blob's id. So it
needs no header, and stands wherever the record's own bytes would.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from skymesh.bus.bus import Outgoing, Received
from skymesh.model.ids import DIGEST_SIZE, Digest
from skymesh.model.run import Blob, blob_id
from skymesh.store.store import Keys, TierStore

_MARK = b"\xc1"
_SIZE = len(_MARK) + DIGEST_SIZE
_OF_NO_LOG = Digest(bytes(DIGEST_SIZE))


def referring(outputs: Iterable[Outgoing], record_bytes: int | None) -> tuple[list[Outgoing], list[Blob]]:
    """Return records with references in the place of large ones, and the blobs to store before they go out.

    Parameters
    ----------
    outputs
        The records.
    record_bytes
        Largest value that travels itself; None if any does.
    """
    sent, blobs = [], []
    for output in outputs:
        if record_bytes is None or len(output.value) <= record_bytes:
            sent.append(output)
        else:
            blob = Blob(blob_id(output.value), output.value)
            blobs.append(blob)
            sent.append(output._replace(value=_MARK + blob.id))
    return sent, blobs


def referred(value: bytes) -> Digest | None:
    """Return the id of the blob that a value refers to; None if it is no reference."""
    return Digest(value[1:]) if len(value) == _SIZE and value[:1] == _MARK else None


async def resolved(store: TierStore, records: Sequence[Received]) -> tuple[Received, ...]:
    """Return records with the bytes that they refer to.

    What looks like a reference and leads nowhere stays what it is: whoever reads it will say that it is no
    such record. A survey may send any bytes.

    Raises
    ------
    StoreUnavailableError
        If the store does not answer.
    """
    wanted = frozenset(id_ for record in records if (id_ := referred(record.value)) is not None)
    if not wanted:
        return tuple(records)
    blobs = (await store.read(_OF_NO_LOG, Keys(blobs=wanted))).blobs
    return tuple(record._replace(value=_body(record.value, blobs)) for record in records)


def _body(value: bytes, blobs: dict[Digest, bytes]) -> bytes:
    id_ = referred(value)
    return value if id_ is None else blobs.get(id_, value)
