"""Avro's primitive types: what the readers of containers, records and rows share.

Source of the encoding: Apache Avro 1.11 specification, "Binary Encoding".
"""

from __future__ import annotations

FLOATS = {"float": ("f", 4), "double": ("d", 8)}
"""For each type of fixed width, its letter in a `struct` and its bytes."""
_LONGEST_VARINT_BITS = 70


class CorruptRecordError(ValueError):
    """The bytes are no record of the schema."""


def read_long(data: bytes, offset: int) -> tuple[int, int]:
    """Read one zigzag varint."""
    byte = data[offset]
    value, shift = byte & 0x7F, 7
    while byte > 0x7F:  # noqa: PLR2004  # this runs for every number: a name would be looked up each time
        offset += 1
        byte = data[offset]
        value |= (byte & 0x7F) << shift
        shift += 7
    if shift > _LONGEST_VARINT_BITS:
        raise CorruptRecordError("a number of more than ten bytes")
    return (value >> 1) ^ -(value & 1), offset + 1


def long_bytes(number: int) -> bytes:
    """Return one zigzag varint."""
    left, encoded = (number << 1) ^ (number >> 63), bytearray()
    while left > 0x7F:  # noqa: PLR2004  # seven bits a byte, as above
        encoded.append(left & 0x7F | 0x80)
        left >>= 7
    encoded.append(left)
    return bytes(encoded)


def read_bytes(data: bytes, offset: int) -> tuple[bytes, int]:
    """Read a length and as many bytes."""
    length, start = read_long(data, offset)
    end = start + length
    if length < 0 or end > len(data):
        raise CorruptRecordError("a length beyond the end of the record")
    return data[start:end], end
