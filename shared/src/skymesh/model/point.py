"""Datapoints: measurements with a key, ranked versions and access labels."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from skymesh.model.ids import Digest, canonical_row, digester

DETECTION = "detection"
LIMIT = "limit"
FORCED = "forced"


class MeasurementKey(NamedTuple):
    """What one measurement is, whichever version of its values is at hand.

    Attributes
    ----------
    survey
        The survey's name, such as ``ztf``.
    kind
        ``detection``, ``limit`` (upper limit) or ``forced`` (forced photometry).
    native
        The survey's own id: a ZTF candid for detections, pid for limits, ``objectId/pid`` for
        forced photometry; LSST's diaSourceId, ccdVisitId, diaForcedSourceId.
    """

    survey: str
    kind: str
    native: int | str


class DataPoint(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One version of one measurement, as the survey sent it.

    Attributes
    ----------
    id
        Digest of `body`.
    survey, kind, native
        The measurement key; see `MeasurementKey`.
    is_withdrawn
        The survey took the measurement back; if this version is in force, the key is absent.
    is_triggering
        The values come from the record that triggered an alert, and copies in later histories are worse;
        False where a survey's histories repeat its records as they are.
    processed_mjd_tai
        When the survey processed it, MJD (TAI); 0 where it does not say.
    labels
        Access labels; the point is visible iff all of them are granted.
    exposure
        Two points of a stock of one kind with equal exposure are the same look at the sky, reduced twice;
        None for kinds that are never reduced twice. ZTF: (jd in UTC days, readout channel) of a
        detection; LSST: (visit, detector) of detections and forced photometry.
    mjd_tai
        Time of observation, MJD (TAI), at the start or middle of the exposure as the survey says.
    body
        Canonical bytes of the measurement key and the survey's raw values, in the order of the
        survey's field list.
    """

    id: Digest
    survey: str
    kind: str
    native: int | str
    is_withdrawn: bool
    is_triggering: bool
    processed_mjd_tai: float
    labels: tuple[str, ...]
    exposure: tuple[float, int] | None
    mjd_tai: float
    body: bytes

    @property
    def key(self) -> MeasurementKey:
        """The measurement that this is a version of."""
        return MeasurementKey(self.survey, self.kind, self.native)

    @property
    def rank(self) -> tuple[bool, bool, float, bytes]:
        """How a version compares with others of its key; the one with the highest rank is in force."""
        return (self.is_withdrawn, self.is_triggering, self.processed_mjd_tai, self.id)


def point_body(key: tuple[str, str, int | str], values: tuple[Any, ...]) -> bytes:
    """Return the canonical bytes of a version of a measurement.

    Parameters
    ----------
    key
        The measurement: a `MeasurementKey`, or its parts.
    values
        Raw values in the order of the survey's field list: numbers, truth values, None, NFC text.
    """
    return canonical_row((*key, *values))


point_id = digester("point")
"""Returns the id of a version of a measurement: the digest of its key and raw values."""


def raw_values(point: DataPoint) -> tuple[Any, ...]:
    """Return the raw values of a point, in the order of the survey's field list."""
    values: tuple[Any, ...] = _decode_values(point.body)
    return values[_KEY_LENGTH:]


_KEY_LENGTH = len(MeasurementKey._fields)
_decode_values = msgspec.msgpack.Decoder(tuple).decode
