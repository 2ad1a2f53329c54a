"""From a decoded ZTF packet to an alert with datapoints."""

from __future__ import annotations

import functools
import math
import unicodedata
from collections.abc import Iterator
from operator import itemgetter
from typing import Any, Final

import msgspec

from skymesh.errors import InvalidDataPointError
from skymesh.model.alert import Alert, Source, alert_id
from skymesh.model.ids import canonical, digest_bytes
from skymesh.model.point import DETECTION, FORCED, LIMIT, DataPoint, point_body, point_id
from skymesh.surveys.packets import is_position, record_digest
from skymesh.surveys.survey import Shaped
from skymesh.surveys.time_scales import mjd_tai_of_jd_utc
from skymesh.surveys.ztf import fields, names
from skymesh.surveys.ztf.rights import labels_of

SURVEY: Final = "ztf"
_ABSENT: Final = -999
# How MessagePack writes -999, as a float and as an integer.
_ABSENT_FLOAT, _ABSENT_INTEGER = msgspec.msgpack.encode(-999.0), msgspec.msgpack.encode(-999)
_POSITIVE: Final = {"t": True, "1": True, "f": False, "0": False, None: None}

_LIMIT_OF_HISTORY: Final = itemgetter(*(fields.HISTORY_COLUMNS.index(name) for name in fields.LIMIT_FIELDS))
_JD, _PROGRAMID, _RCID = (fields.DETECTION_FIELDS.index(n) for n in ("jd", "programid", "rcid"))
_FORCED_JD, _FORCED_PROGRAMID, _FORCED_PID = (
    fields.FORCED_FIELDS.index(n) for n in ("jd", "programid", "pid")
)
_LIMITS_KEPT: Final = 1 << 14
_SSNAMENR, _RBVERSION = (fields.DETECTION_FIELDS.index(n) for n in ("ssnamenr", "rbversion"))
_POINT_FIELDS: Final = frozenset(fields.DETECTION_FIELDS)
_NOTHING: Final[frozenset[str]] = frozenset()
_ALERT_FIELDS_LEFT_OUT: Final = _POINT_FIELDS | fields.IDENTITY | frozenset(fields.AGGREGATES)


def shape(record: dict[str, Any], source: Source) -> Shaped:
    """Turn a packet, whose history lists are tuples of `fields.history_tables`, into an alert.

    Raises
    ------
    InvalidDataPointError
        If the packet does not say which object, when or where.
    """
    candidate = record["candidate"]
    if candidate is None:
        raise InvalidDataPointError("no candidate")
    object_id, candid = _identity(record, candidate)
    points = (_trigger(candidate, candid), *_history(record, object_id))
    cutouts = _cutouts(record)
    stamps = None if cutouts is None else digest_bytes("cutout", cutouts)
    values = dict(_present(candidate, _ALERT_FIELDS_LEFT_OUT))
    aggregates = dict(_present({name: candidate.get(name) for name in fields.AGGREGATES}, _NOTHING))
    ampel = names.ampel_id(object_id)
    alert = Alert(
        id=alert_id(SURVEY, candid),
        survey=SURVEY,
        native=candid,
        stock=names.stock_of(object_id),
        record=record_digest(record, _DIGESTED_APART, points, values, aggregates, stamps),
        points=points,
        values=values,
        aggregates=aggregates,
        attributes={} if ampel is None else {"ampel_stock": ampel},
        cutouts=stamps,
        source=source,
    )
    return Shaped(alert, cutouts)


def _identity(record: dict[str, Any], candidate: dict[str, Any]) -> tuple[str, int]:
    object_id, candid = record["objectId"], candidate["candid"]
    if not isinstance(object_id, str) or not object_id or object_id.split() != [object_id]:
        raise InvalidDataPointError("no objectId")
    if not isinstance(candid, int) or candid <= 0:
        raise InvalidDataPointError("no candid")
    if record.get("candid", candid) != candid:
        raise InvalidDataPointError(f"candid {record['candid']} at the top, {candid} in the candidate")
    return unicodedata.normalize("NFC", object_id), candid


def _trigger(candidate: dict[str, Any], candid: int) -> DataPoint:
    ra_deg, dec_deg = candidate["ra"], candidate["dec"]
    if not is_position(ra_deg, dec_deg):
        raise InvalidDataPointError(f"no position: ra {ra_deg}, dec {dec_deg}")
    row = tuple(map(candidate.get, fields.DETECTION_FIELDS))
    return _detection(candid, row, is_triggering=True)


def _history(record: dict[str, Any], object_id: str) -> Iterator[DataPoint]:
    # Brokers write lists whose records may be null.
    for row in filter(None, record.get("prv_candidates") or ()):
        if row[0] is None:
            yield _limit(_LIMIT_OF_HISTORY(row))
        else:
            yield _detection(row[0], row[1:], is_triggering=False)
    for row in filter(None, record.get("fp_hists") or ()):
        if row[_FORCED_PID] is None:
            raise InvalidDataPointError("forced photometry without pid")
        yield _point(FORCED, f"{object_id}/{row[_FORCED_PID]}", row, row[_FORCED_JD], row[_FORCED_PROGRAMID])


def _detection(candid: int, row: tuple[Any, ...], *, is_triggering: bool) -> DataPoint:
    if row[0] not in _POSITIVE:
        raise InvalidDataPointError(f"isdiffpos {row[0]!r} is none of t, f, 1, 0")
    row = (_POSITIVE[row[0]], *row[1:])
    name, version = row[_SSNAMENR], row[_RBVERSION]
    if not ((name is None or name.isascii()) and (version is None or version.isascii())):
        row = tuple(unicodedata.normalize("NFC", value) if isinstance(value, str) else value for value in row)
    jd_utc, rcid = row[_JD], row[_RCID]
    exposure = None if rcid is None else (jd_utc, rcid)
    return _point(DETECTION, candid, row, jd_utc, row[_PROGRAMID], exposure, is_triggering=is_triggering)


@functools.lru_cache(maxsize=_LIMITS_KEPT)
def _limit(row: tuple[Any, ...]) -> DataPoint:
    """Return an upper limit; every object in an exposure has the same, so they are kept for a while."""
    jd_utc, _, pid, _, programid = row
    if pid is None:
        raise InvalidDataPointError("an upper limit without pid")
    return _point(LIMIT, pid, row, jd_utc, programid)


def _point(
    kind: str,
    native: int | str,
    row: tuple[Any, ...],
    jd_utc: Any,
    programid: Any,
    exposure: tuple[float, int] | None = None,
    *,
    is_triggering: bool = False,
) -> DataPoint:
    # This runs for every entry of every history: few calls, and the usual case first.
    if type(jd_utc) is not float or not math.isfinite(jd_utc):
        raise InvalidDataPointError(f"a {kind} without jd")
    try:
        mjd_tai = mjd_tai_of_jd_utc(jd_utc)
    except ValueError as error:
        raise InvalidDataPointError(f"a {kind} with {error}") from None
    key = (SURVEY, kind, native)
    body = point_body(key, row)
    if _ABSENT_FLOAT in body or _ABSENT_INTEGER in body:
        body = point_body(key, tuple(None if value == _ABSENT else value for value in row))
    labels = labels_of(programid)
    return DataPoint(point_id(body), *key, False, is_triggering, 0.0, labels, exposure, mjd_tai, body)


def _cutouts(record: dict[str, Any]) -> bytes | None:
    """Return the image stamps as one canonical block of bytes: gzipped FITS (or JPEG) as received."""
    stamps = {}
    for name in fields.CUTOUTS:
        stamp = record.get(name)
        if stamp and stamp.get("stampData"):
            stamps[name.removeprefix("cutout").lower()] = stamp["stampData"]
    return canonical(stamps) if stamps else None


_DIGESTED_APART: Final = frozenset({"candidate", "prv_candidates", "fp_hists", *fields.CUTOUTS})


def _present(candidate: dict[str, Any], left_out: frozenset[str]) -> Iterator[tuple[str, Any]]:
    """Yield the values of the triggering record that are there: neither null, NaN nor -999."""
    for name, value in candidate.items():
        if value is not None and value == value and value != _ABSENT and name not in left_out:
            yield name, value
