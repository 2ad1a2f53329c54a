"""From a decoded LSST packet to an alert with datapoints."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final, NamedTuple

from skymesh.errors import InvalidDataPointError
from skymesh.model.alert import Alert, Source, alert_id
from skymesh.model.ids import canonical, digest_bytes
from skymesh.model.point import DETECTION, FORCED, LIMIT, DataPoint, point_body, point_id
from skymesh.surveys.lsst import fields, names
from skymesh.surveys.lsst.photometry import BANDS
from skymesh.surveys.lsst.rights import LABELS_OF_ALL
from skymesh.surveys.packets import is_position, record_digest
from skymesh.surveys.survey import Shaped
from skymesh.surveys.time_scales import mjd_tai_of_jd_utc

SURVEY: Final = "lsst"
_JD_OF_UNIX_EPOCH: Final = 2440587.5
_SECONDS_PER_DAY: Final = 86400.0
_DIGESTED_APART: Final = frozenset({"diaSource", *fields.HISTORY, *fields.CUTOUTS})


class _Places(NamedTuple):
    """Where in a kind's row stands what a point is placed and ranked by."""

    mjd_tai: int
    band: int
    visit: int
    detector: int
    processed: int
    withdrawn: int


def _places(columns: tuple[str, ...]) -> _Places:
    named = ("midpointMjdTai", "band", "visit", "detector", "timeProcessedMjdTai", "timeWithdrawnMjdTai")
    return _Places(*map(columns.index, named))


_D, _F = _places(fields.DETECTION_FIELDS), _places(fields.FORCED_FIELDS)
_RELIABILITY_VERSION: Final = fields.DETECTION_FIELDS.index("reliabilityVersion")
_CCD_VISIT_ID, _LIMIT_TIME, _LIMIT_BAND = map(
    fields.LIMIT_FIELDS.index, ("ccdVisitId", "midpointMjdTai", "band")
)
_SOURCE_COLUMNS: Final = fields.HISTORY["prvDiaSources"]
_RA, _DEC = map(_SOURCE_COLUMNS.index, ("ra", "dec"))
# Histories repeat records as they were: a copy ranks like the original, and reprocessing above both.
_IS_TRIGGERING: Final = False


def shape(record: dict[str, Any], source: Source) -> Shaped:
    """Turn a packet, whose history lists are tuples of `fields.history_tables`, into an alert.

    The id is that of the triggering diaSource itself; a packet's top repeats it, or in packets made
    for tests something else.

    Raises
    ------
    InvalidDataPointError
        If the packet does not say which source, when or where.
    """
    dia_source = record["diaSource"]
    if dia_source is None:
        raise InvalidDataPointError("no diaSource")
    points = (_trigger(dia_source), *_history(record))
    cutouts = _cutouts(record)
    stamps = None if cutouts is None else digest_bytes("cutout", cutouts)
    values = dict(_values(record, fields.VALUES_OF))
    values |= {name: record[name] for name in ("observation_reason", "target_name") if record.get(name)}
    aggregates = dict(_values(record, fields.AGGREGATES_OF))
    designation = names.designation_of(record)
    associated = {name: dia_source.get(name) for name in ("diaObjectId", "ssObjectId")}
    alert = Alert(
        id=alert_id(SURVEY, points[0].native),
        survey=SURVEY,
        native=points[0].native,
        stock=names.stock_of(dia_source),
        record=record_digest(record | associated, _DIGESTED_APART, points, values, aggregates, stamps),
        points=points,
        values=values,
        aggregates=aggregates,
        attributes={} if designation is None else {"designation": designation},
        cutouts=stamps,
        source=source,
    )
    return Shaped(alert, cutouts)


def _trigger(dia_source: dict[str, Any]) -> DataPoint:
    columns = fields.spelled(_SOURCE_COLUMNS, frozenset(dia_source))
    row = tuple(map(dia_source.get, columns))
    if not is_position(row[_RA], row[_DEC]):
        raise InvalidDataPointError(f"no position: ra {row[_RA]}, dec {row[_DEC]}")
    return _detection(row)


def _history(record: dict[str, Any]) -> Iterator[DataPoint]:
    # Brokers write lists whose records may be null.
    for row in filter(None, record.get("prvDiaSources") or ()):
        yield _detection(row)
    for row in filter(None, record.get("prvDiaForcedSources") or ()):
        yield _point(FORCED, row[0], row[1:], _F)
    for row in filter(None, record.get("prvDiaNondetectionLimits") or ()):
        # A limit has no id. It is the noise of one detector in one visit, whichever object asks.
        yield _made(LIMIT, row[_CCD_VISIT_ID], _normal(row, _LIMIT_BAND), row[_LIMIT_TIME])


def _detection(row: tuple[Any, ...]) -> DataPoint:
    # A source that was not deblended from another has parent 0 or null.
    native, row = row[0], (row[1] or None, *row[2:])
    version = row[_RELIABILITY_VERSION]
    if version is not None and not version.isascii():
        row = tuple(unicodedata.normalize("NFC", v) if isinstance(v, str) else v for v in row)
    return _point(DETECTION, native, row, _D)


def _point(kind: str, native: Any, row: tuple[Any, ...], at: _Places) -> DataPoint:
    row = _normal(row, at.band, at.processed)
    processed, withdrawn = row[at.processed], row[at.withdrawn]
    visit, detector = row[at.visit], row[at.detector]
    return _made(
        kind,
        native,
        row,
        row[at.mjd_tai],
        is_withdrawn=withdrawn is not None and withdrawn > 0,
        processed_mjd_tai=processed if processed is not None and processed > 0 else 0.0,
        # ELAsTiCC has visit -1 throughout.
        exposure=None if detector is None or visit is None or visit <= 0 else (float(visit), detector),
    )


def _normal(row: tuple[Any, ...], band_at: int, processed_at: int | None = None) -> tuple[Any, ...]:
    """Return a row with its band in lower case, and a moment of processing in UTC as MJD in TAI."""
    band, processed = row[band_at], None if processed_at is None else row[processed_at]
    if band in BANDS and type(processed) is not datetime:
        return row
    values = list(row)
    if isinstance(band, str):
        values[band_at] = unicodedata.normalize("NFC", band).lower()
    if processed_at is not None and isinstance(processed, datetime):
        values[processed_at] = _mjd_tai(processed)
    return tuple(values)


def _mjd_tai(moment_utc: datetime) -> float | None:
    """Return a moment as MJD in TAI; None for one before 1972, which nobody has processed anything at."""
    try:
        return mjd_tai_of_jd_utc(_JD_OF_UNIX_EPOCH + moment_utc.timestamp() / _SECONDS_PER_DAY)
    except ValueError:
        return None


def _made(
    kind: str,
    native: Any,
    row: tuple[Any, ...],
    mjd_tai: Any,
    *,
    is_withdrawn: bool = False,
    processed_mjd_tai: float = 0.0,
    exposure: tuple[float, int] | None = None,
) -> DataPoint:
    if type(native) is not int or native <= 0:
        raise InvalidDataPointError(f"a {kind} without its id")
    if type(mjd_tai) is not float or not math.isfinite(mjd_tai):
        raise InvalidDataPointError(f"a {kind} without midpointMjdTai")
    key = (SURVEY, kind, native)
    body = point_body(key, row)
    id_, labels = point_id(body), LABELS_OF_ALL
    return DataPoint(
        id_, *key, is_withdrawn, _IS_TRIGGERING, processed_mjd_tai, labels, exposure, mjd_tai, body
    )


def _cutouts(record: dict[str, Any]) -> bytes | None:
    """Return the image stamps as one canonical block of bytes: FITS as received."""
    stamps = {name.removeprefix("cutout").lower(): record.get(name) for name in fields.CUTOUTS}
    found = {name: stamp for name, stamp in stamps.items() if stamp}
    return canonical(found) if found else None


def _values(record: dict[str, Any], parts: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Yield what records of the packet hold, under ``record.field``; not dates, which are catalogues' own."""
    for part in parts:
        for name, value in (record.get(part) or {}).items():
            if isinstance(value, bool | int | float | str) and value == value and name not in fields.NOT_KEPT:
                yield f"{part}.{name}", value
