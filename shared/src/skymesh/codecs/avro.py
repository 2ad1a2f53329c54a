"""Avro object containers, read record by record, with every damage accounted for.

Opening a container with a general reader costs more than decoding it, because its schema is parsed
each time. Alerts come with one container each and the same few schemas, so what a header leads to
is kept under the header's bytes.

Source of the format: Apache Avro 1.11 specification, "Object Container Files".
"""

from __future__ import annotations

import functools
import io
import json
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import cramjam
import fastavro
import fastavro.schema

from skymesh.codecs.avro_decoder import compile_decoder
from skymesh.codecs.avro_layouts import Decoder
from skymesh.codecs.avro_primitives import CorruptRecordError, long_bytes, read_bytes, read_long
from skymesh.errors import UndecodableAlertError

MAGIC = b"Obj\x01"
_SYNC_SIZE = 16
DAMAGE = (
    CorruptRecordError,
    IndexError,
    struct.error,
    EOFError,
    ValueError,  # UnicodeDecodeError among them
    TypeError,
    KeyError,
    OverflowError,
    MemoryError,
    RecursionError,
    zlib.error,
    cramjam.DecompressionError,
)
"""What damaged bytes make their readers raise."""


Tables = tuple[tuple[str, tuple[str, ...]], ...]
"""Lists of records to read as tuples: (field of the record, columns)."""


# What a schema that is none makes its readers raise.
_NO_SCHEMA = (
    KeyError, TypeError, AttributeError, ValueError, RecursionError, fastavro.schema.SchemaParseException,
    fastavro.schema.UnknownType,
)  # fmt: skip


class Header:
    """What the header of a container says; kept, with its decoders, for all containers that share it.

    Attributes
    ----------
    schema
        The writer schema as parsed JSON.
    codec
        Name of the block compression.
    """

    def __init__(self, schema: Any, codec: str) -> None:
        self.schema = schema
        self.codec = codec
        self._decoders: dict[Tables, Decoder] = {}

    def decoder(self, tables: Tables) -> Decoder:
        """Return the decoder of the schema's records, compiled where it can be.

        Raises
        ------
        UndecodableAlertError
            If the schema is none.
        """
        if tables not in self._decoders:
            try:
                compiled = compile_decoder(self.schema, dict(tables))
                self._decoders[tables] = compiled or _general_decoder(self.schema, tables)
            except _NO_SCHEMA as error:
                raise UndecodableAlertError(f"no valid Avro schema ({type(error).__name__})") from error
        return self._decoders[tables]


class Record(NamedTuple):
    """One decoded record.

    Attributes
    ----------
    number
        Its number in the container, from 0; a message is one record.
    value
        The record.
    block, start, end
        Where its encoded bytes lie in their decompressed block.
    """

    number: int
    value: dict[str, Any]
    block: bytes
    start: int
    end: int

    @property
    def payload(self) -> bytes:
        """Its encoded bytes."""
        return self.block[self.start : self.end]


class Damage(NamedTuple):
    """Where a container cannot be read any further.

    Attributes
    ----------
    number
        Number of the first record that is lost.
    error
        What is wrong.
    payload
        The bytes from the damaged block on, at most `MAX_PAYLOAD`.
    """

    number: int
    error: UndecodableAlertError
    payload: bytes


MAX_PAYLOAD = 1 << 20
# The bytes of the newest headers up to their sync marker, and what they say: to compare them takes less
# than to find the schema in them.
_recent: deque[tuple[bytes, Header]] = deque(maxlen=8)
# A block that claims more is damaged: deflate shrinks by a thousand at most.
_MOST_PER_BYTE = 1024


def read_header(data: bytes) -> tuple[Header, int]:
    """Read the header of a container.

    Returns
    -------
    Header and the offset of the first block's sync marker.

    Raises
    ------
    UndecodableAlertError
        If the bytes are no Avro container.
    """
    if not data:
        raise UndecodableAlertError("an empty file")
    if data[: len(MAGIC)] != MAGIC:
        raise UndecodableAlertError("not an Avro container: it does not begin with 'Obj' and 1")
    for known, header in _recent:
        if data[: len(known)] == known:
            return header, len(known)
    try:
        meta, offset = _read_metadata(data, len(MAGIC))
        header = _header(meta["avro.schema"], meta.get("avro.codec", b"null"))
    except DAMAGE as error:
        raise UndecodableAlertError(f"a damaged container header ({brief(error)})") from error
    _recent.appendleft((bytes(data[:offset]), header))
    return header, offset


def iter_records(data: bytes, tables: Callable[[Header], Tables]) -> Iterator[Record | Damage]:
    """Yield the records of a container; if it is damaged, a last `Damage` behind the readable ones.

    Parameters
    ----------
    data
        The whole container.
    tables
        Says for a header which lists of records to read as tuples.

    Raises
    ------
    UndecodableAlertError
        If not even the header can be read.
    PacketError
        As `tables` raises it.
    """
    header, offset = read_header(data)
    decode = header.decoder(tables(header))
    index = 0
    for block in _iter_blocks(data, offset):
        if isinstance(block, _Broken):
            yield _damage(index, block.error, data, block.start)
            return
        try:
            plain, first, end = _plain(header.codec, data, block)
        except DAMAGE as error:
            yield _damage(index, error, data, block.start)
            return
        for item in _iter_block(plain, first, end, block.records, decode):
            if isinstance(item, Exception):
                yield _damage(index, item, data, block.start)
                return
            yield Record(index, *item)
            index += 1


def iter_undecoded(data: bytes) -> Iterator[bytes | Damage]:
    """Yield for each record of a container the bytes of the block it lies in, without decoding any.

    Raises
    ------
    UndecodableAlertError
        If not even the header can be read.
    """
    _, offset = read_header(data)
    index = 0
    for block in _iter_blocks(data, offset):
        if isinstance(block, _Broken):
            yield _damage(index, block.error, data, block.start)
            return
        for _ in range(block.records):
            yield data[block.first : min(block.end, block.first + MAX_PAYLOAD)]
            index += 1


def enclosed(data: bytes, record: Record) -> bytes:
    """Return a container that holds one record of another container alone, under the same header.

    Parameters
    ----------
    data
        The container that the record was read from.
    record
        The record.
    """
    header, offset = read_header(data)
    start = offset + _SYNC_SIZE
    block = _compress(header.codec, record.payload)
    return b"".join((data[:start], long_bytes(1), long_bytes(len(block)), block, data[offset:start]))


class _Block(NamedTuple):
    """A block from `start`, its data, still compressed, from `first` to `end`."""

    records: int
    start: int
    first: int
    end: int


class _Broken(NamedTuple):
    error: Exception
    start: int


def _iter_blocks(data: bytes, offset: int) -> Iterator[_Block | _Broken]:
    """Yield the blocks of a container, still compressed, and the error that ends it early."""
    sync = data[offset : offset + _SYNC_SIZE]
    offset += _SYNC_SIZE
    while offset < len(data):
        start = offset
        try:
            count, offset = read_long(data, offset)
            size, first = read_long(data, offset)
            offset = first + size
            if size < 0 or offset > len(data):
                raise CorruptRecordError("a length beyond the end of the file")
        except DAMAGE as error:
            yield _Broken(error, start)
            return
        if not 0 <= count <= max(size, 1) * _MOST_PER_BYTE:
            yield _Broken(CorruptRecordError("more records than bytes"), start)
            return
        yield _Block(count, start, first, offset)
        if data[offset : offset + _SYNC_SIZE] != sync:
            yield _Broken(CorruptRecordError("a block without its sync marker"), start)
            return
        offset += _SYNC_SIZE


def _plain(codec: str, data: bytes, block: _Block) -> tuple[bytes, int, int]:
    """Return bytes that hold a block's records, and from where to where; a plain block stays where it is."""
    if codec == "null" and isinstance(data, bytes):
        return data, block.first, block.end
    plain = _decompress(codec, data[block.first : block.end])
    return plain, 0, len(plain)


def _iter_block(
    block: bytes, offset: int, end: int, count: int, decode: Decoder
) -> Iterator[tuple[dict[str, Any], bytes, int, int] | Exception]:
    """Yield the records of one block, and the error that ends it before its count."""
    if count > end - offset:
        yield CorruptRecordError("more records than bytes")
        return
    for number in range(count):
        start = offset
        try:
            value, offset = decode(block, start)
            if offset > end:
                raise CorruptRecordError("a record that ends beyond its block")
            if number == count - 1 and offset != end:
                raise CorruptRecordError("bytes behind the last record of a block")
        except DAMAGE as error:
            yield error
            return
        yield value, block, start, offset


def _read_metadata(data: bytes, offset: int) -> tuple[dict[str, bytes], int]:
    meta: dict[str, bytes] = {}
    while True:
        count, offset = read_long(data, offset)
        if count == 0:
            return meta, offset
        if count < 0:
            count = -count
            _, offset = read_long(data, offset)
        for _ in range(min(count, len(data))):
            key, offset = read_bytes(data, offset)
            meta[key.decode()], offset = read_bytes(data, offset)


@functools.lru_cache(maxsize=256)
def _header(schema: bytes, codec: bytes) -> Header:
    return Header(json.loads(schema), codec.decode())


def _general_decoder(schema: Any, tables: Tables) -> Decoder:
    """Return a decoder of the same form on fastavro, for schemas that are not compiled."""
    parsed = fastavro.parse_schema(schema)

    def decode(data: bytes, offset: int) -> tuple[Any, int]:
        stream = io.BytesIO(data)
        stream.seek(offset)
        record: Any = fastavro.schemaless_reader(stream, parsed, None)
        for name, columns in tables:
            rows = record.get(name)
            if rows is not None:
                record[name] = [row and tuple(row.get(column) for column in columns) for row in rows]
        return record, stream.tell()

    return decode


def _decompress(codec: str, block: bytes) -> bytes:
    if codec == "null":
        return block
    if codec == "deflate":
        return zlib.decompress(block, wbits=-15)
    if codec == "snappy":
        # The last four bytes are a CRC-32 of the plain data.
        plain = bytes(cramjam.snappy.decompress_raw(block[:-4]))
        if zlib.crc32(plain) != int.from_bytes(block[-4:], "big"):
            raise CorruptRecordError("a snappy block whose checksum is wrong")
        return plain
    if codec == "zstandard":
        return bytes(cramjam.zstd.decompress(block))
    raise CorruptRecordError(f"unknown codec {codec[:20]!r}")


def _compress(codec: str, plain: bytes) -> bytes:
    """Return a block as `_decompress` takes it; its codec is one that was read."""
    if codec == "deflate":
        return zlib.compress(plain, wbits=-15)
    if codec == "snappy":
        return bytes(cramjam.snappy.compress_raw(plain)) + zlib.crc32(plain).to_bytes(4, "big")
    if codec == "zstandard":
        return bytes(cramjam.zstd.compress(plain))
    return plain


def _damage(index: int, error: Exception, data: bytes, start: int) -> Damage:
    problem = f"damaged after {index} readable records ({brief(error)})"
    return Damage(index, UndecodableAlertError(problem), data[start : start + MAX_PAYLOAD])


def brief(error: Exception) -> str:
    """Return what is damaged, in a few words."""
    text = " ".join(str(error).split())[:120]
    return text if isinstance(error, CorruptRecordError) else f"{type(error).__name__}: {text}"
