"""Positions in the log, and the order they give."""

from __future__ import annotations

import struct
from typing import NamedTuple

_LAYOUT = struct.Struct(">IIQ")


class Position(NamedTuple):
    """A place in the log of alerts; the records of one stock compare as the tuples do.

    Attributes
    ----------
    epoch
        Generation of the topic; epochs compare first.
    partition
        Partition of the log, numbered on through its epochs: no two epochs share a number. A stock stays
        in one partition of an epoch.
    offset
        Offset in the partition, from 0.
    """

    epoch: int
    partition: int
    offset: int

    def to_bytes(self) -> bytes:
        """Return 16 bytes that sort as positions do."""
        return _LAYOUT.pack(*self)

    @classmethod
    def from_bytes(cls, data: bytes) -> Position:
        """Read back what `to_bytes` wrote."""
        return cls(*_LAYOUT.unpack(data))

    def __str__(self) -> str:
        return f"{self.epoch}/{self.partition}/{self.offset}"
