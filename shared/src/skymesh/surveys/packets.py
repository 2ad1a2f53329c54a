"""What shaping a packet needs whichever survey wrote it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

import msgspec

from skymesh.model.ids import Digest, digest_bytes
from skymesh.model.point import DataPoint

_encode_sorted: Final = msgspec.msgpack.Encoder(order="sorted").encode


def record_digest(
    record: Mapping[str, Any],
    digested_apart: Collection[str],
    points: Iterable[DataPoint],
    values: dict[str, Any],
    aggregates: dict[str, Any],
    stamps: Digest | None,
) -> Digest:
    """Return the digest of a decoded record: its points by id, everything else by value.

    Parameters
    ----------
    record
        The record.
    digested_apart
        Its fields that the other arguments stand for.
    points, values, aggregates, stamps
        What was made of these fields.
    """
    extra = {key: plain(value) for key, value in record.items() if key not in digested_apart}
    content = [[point.id for point in points], values, aggregates, stamps, extra]
    # It only orders copies and tells them apart, so text is taken as it is spelled.
    return digest_bytes("record", _encode_sorted(content))


def plain(value: Any) -> Any:
    """Return a broker's extra value in plain types: dates and the like as text."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str | bytes) else str(value)


def is_position(ra_deg: Any, dec_deg: Any) -> bool:
    """Return whether two values are a place on the sky, in degrees."""
    return _is_number(ra_deg) and _is_number(dec_deg) and 0 <= ra_deg <= 360 and -90 <= dec_deg <= 90


def _is_number(value: Any) -> bool:
    return isinstance(value, float | int) and math.isfinite(value)
