"""MessagePack for the mesh's own records, in the bus and in the store."""

from __future__ import annotations

import functools
from collections.abc import Hashable
from typing import Any, TypeVar, cast

import msgspec

T = TypeVar("T")

encode = msgspec.msgpack.Encoder().encode


@functools.cache
def _decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(kind)


def decode(data: bytes, kind: type[T]) -> T:
    """Read back a record of the mesh.

    Raises
    ------
    msgspec.DecodeError
        If the bytes are no such record.
    """
    value: T = _decoder(cast("Hashable", kind)).decode(data)
    return value
