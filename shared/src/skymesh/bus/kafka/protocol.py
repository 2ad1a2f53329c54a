"""Two requests that the client library knows only in older forms, which cannot say what the mesh must know.

Committed offsets, also those whose transaction has ended but is not written yet; topics with their ids,
asked for by name without making them.
"""

from __future__ import annotations

import uuid
from io import BytesIO
from typing import Any, ClassVar

from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)

UNSTABLE_OFFSET_COMMIT = 88
"""Error code: the transaction that commits the offset has not ended."""
_NAME = CompactString("utf-8")
_TAGS = ("tags", TaggedFields)


class _Uuid(AbstractType[uuid.UUID]):
    @classmethod
    def encode(cls, value: uuid.UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> uuid.UUID:
        return uuid.UUID(bytes=data.read(16))


class OffsetFetchResponseV7(Response):
    """Committed offsets."""

    API_KEY = 9
    API_VERSION = 7
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("name", _NAME),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("offset", Int64),
                        ("leader_epoch", Int32),
                        ("metadata", _NAME),
                        ("error_code", Int16),
                        _TAGS,
                    ),
                ),
                _TAGS,
            ),
        ),
        ("error_code", Int16),
        _TAGS,
    )


class OffsetFetchRequestV7(RequestStruct):
    """The first form that can wait for transactions."""

    FLEXIBLE_VERSION = True
    API_KEY = 9
    API_VERSION = 7
    RESPONSE_TYPE = OffsetFetchResponseV7
    SCHEMA = Schema(
        ("group", _NAME),
        ("topics", CompactArray(("name", _NAME), ("partitions", CompactArray(Int32)), _TAGS)),
        ("require_stable", Boolean),
        _TAGS,
    )


class CommittedOffset(Request[OffsetFetchRequestV7]):
    """Asks a group's coordinator for a committed offset; if need be for one that nothing open may change."""

    API_KEY: ClassVar[int] = 9

    def __init__(self, group: str, topic: str, partition: int, *, is_stable: bool) -> None:
        self._asked: tuple[Any, ...] = (group, [(topic, [partition], {})], is_stable, {})

    def build(self, request_struct_class: type[OffsetFetchRequestV7]) -> OffsetFetchRequestV7:
        """Return the request as it is sent."""
        return request_struct_class(*self._asked)


class MetadataResponseV12(Response):
    """Brokers and topics."""

    API_KEY = 3
    API_VERSION = 12
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(("node", Int32), ("host", _NAME), ("port", Int32), ("rack", _NAME), _TAGS),
        ),
        ("cluster", _NAME),
        ("controller", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", _NAME),
                ("id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("in_sync", CompactArray(Int32)),
                        ("offline", CompactArray(Int32)),
                        _TAGS,
                    ),
                ),
                ("operations", Int32),
                _TAGS,
            ),
        ),
        _TAGS,
    )


class MetadataRequestV12(RequestStruct):
    """A form that tells the ids of topics."""

    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 12
    RESPONSE_TYPE = MetadataResponseV12
    SCHEMA = Schema(
        ("topics", CompactArray(("id", _Uuid), ("name", _NAME), _TAGS)),
        ("makes_topics", Boolean),
        ("tells_operations", Boolean),
        _TAGS,
    )


class Described(Request[MetadataRequestV12]):
    """Asks any broker for the brokers, and for topics by name."""

    API_KEY: ClassVar[int] = 3

    def __init__(self, names: list[str]) -> None:
        topics: list[Any] = [(uuid.UUID(int=0), name, {}) for name in names]
        self._asked: tuple[Any, ...] = (topics, False, False, {})

    def build(self, request_struct_class: type[MetadataRequestV12]) -> MetadataRequestV12:
        """Return the request as it is sent."""
        return request_struct_class(*self._asked)
