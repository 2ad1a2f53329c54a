"""Which raw values of an LSST packet belong to a measurement, and how older schemas spell them.

The lists are part of what a datapoint's id digests: changing one is a new `VERSION` of the ids.

A packet's history repeats whole records, so a detection's list is all that a diaSource says, with its
flags and its reliability, under the names of the newest schema. Left out are its key (diaSourceId) and
its association (diaObjectId, ssObjectId): the same source, associated anew, is the same measurement.
When it was processed and withdrawn is part of a version, since nothing else tells versions apart for
certain. What only schemas before 8.0 had (covariances and errors of model fits, a point-source
position, the flux difference of snaps) is left out as well: no packet from the sky carries it.

Source of the fields: the public schemas of Rubin alert packets, 7.0 to 11.1, and of ELAsTiCC, 0.9.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Any, Final

from skymesh.codecs.avro import Tables
from skymesh.model.point import DETECTION, FORCED, LIMIT

VERSION: Final = 1

DETECTION_FIELDS: Final = (
    "parentDiaSourceId", "visit", "detector", "midpointMjdTai", "exposureTime", "ra", "raErr", "dec",
    "decErr", "ra_dec_Cov", "x", "xErr", "y", "yErr", "centroid_flag", "apFlux", "apFluxErr", "apFlux_flag",
    "apFlux_flag_apertureTruncated", "isNegative", "snr", "psfFlux", "psfFluxErr", "psfLnL", "psfChi2",
    "psfNdata", "psfFlux_flag", "psfFlux_flag_edge", "psfFlux_flag_noGoodPixels", "trailFlux",
    "trailFluxErr", "trailRa", "trailRaErr", "trailDec", "trailDecErr", "trailLength", "trailLengthErr",
    "trailAngle", "trailAngleErr", "trailChi2", "trailNdata", "trailAlgorithm", "trail_flag_edge",
    "trail_flag", "dipoleMeanFlux", "dipoleMeanFluxErr", "dipoleFluxDiff", "dipoleFluxDiffErr",
    "dipoleLength", "dipoleAngle", "dipoleChi2", "dipoleNdata", "scienceFlux", "scienceFluxErr",
    "forced_PsfFlux_flag", "forced_PsfFlux_flag_edge", "forced_PsfFlux_flag_noGoodPixels", "templateFlux",
    "templateFluxErr", "ixx", "iyy", "ixy", "ixxPSF", "iyyPSF", "ixyPSF", "shape_flag",
    "shape_flag_no_pixels", "shape_flag_not_contained", "shape_flag_parent_source", "extendedness",
    "reliability", "reliabilityVersion", "band", "isDipole", "dipoleFitAttempted", "timeProcessedMjdTai",
    "timeWithdrawnMjdTai", "bboxSize", "pixelFlags", "pixelFlags_bad", "pixelFlags_cr",
    "pixelFlags_crCenter", "pixelFlags_edge", "pixelFlags_nodata", "pixelFlags_nodataCenter",
    "pixelFlags_interpolated", "pixelFlags_interpolatedCenter", "pixelFlags_offimage",
    "pixelFlags_saturated", "pixelFlags_saturatedCenter", "pixelFlags_suspect", "pixelFlags_suspectCenter",
    "pixelFlags_streak", "pixelFlags_streakCenter", "pixelFlags_injected", "pixelFlags_injectedCenter",
    "pixelFlags_injected_template", "pixelFlags_injected_templateCenter", "glint_trail",
)  # fmt: skip

FORCED_FIELDS: Final = (
    "ra", "dec", "visit", "detector", "psfFlux", "psfFluxErr", "midpointMjdTai", "scienceFlux",
    "scienceFluxErr", "band", "timeProcessedMjdTai", "timeWithdrawnMjdTai",
)  # fmt: skip

LIMIT_FIELDS: Final = ("ccdVisitId", "midpointMjdTai", "band", "diaNoise")

FIELDS: Final = {DETECTION: DETECTION_FIELDS, LIMIT: LIMIT_FIELDS, FORCED: FORCED_FIELDS}

HISTORY: Final = {
    "prvDiaSources": ("diaSourceId", *DETECTION_FIELDS),
    "prvDiaForcedSources": ("diaForcedSourceId", *FORCED_FIELDS),
    "prvDiaNondetectionLimits": LIMIT_FIELDS,
}
"""The columns of each history list, under the names of the newest schema."""

VALUES_OF: Final = ("ssSource", "mpc_orbits", "MPCORB")
"""Records about the triggering source's solar-system object: where it is, and its orbit.

An alert keeps their fields, and those of `AGGREGATES_OF`, as ``record.field``: ``ssSource.phaseAngle``.
"""

AGGREGATES_OF: Final = ("diaObject", "ssObject")
"""Records that the survey made from the whole history."""

NOT_KEPT: Final = frozenset({"diaSourceId", "diaObjectId", "ssObjectId", "mpc_orb_jsonb"})
"""Fields of these records that are association, or say again (as JSON text) what the others say."""

CUTOUTS: Final = ("cutoutScience", "cutoutTemplate", "cutoutDifference")

OLD_NAMES: Final = {
    "midpointMjdTai": "midPointTai",
    "psfFlux": "psFlux",
    "psfFluxErr": "psFluxErr",
    "band": "filterName",
    "dec": "decl",
    "visit": "ccdVisitId",
    "isNegative": "is_negative",
    "timeProcessedMjdTai": "time_processed",
}
"""What older schemas call a field; the last is a moment in UTC there."""

_TRIGGER_MUST_HAVE: Final = ("diaSourceId", "midpointMjdTai", "ra", "dec", "band", "psfFlux", "psfFluxErr")


@functools.lru_cache(maxsize=256)
def spelled(columns: tuple[str, ...], names: frozenset[str]) -> tuple[str, ...]:
    """Return columns as a record with these field names spells them."""
    return tuple(name if name in names else OLD_NAMES.get(name, name) for name in columns)


def history_tables(schema: Any) -> Tables | None:
    """Return the history lists of a schema, as it spells them; None if it is not that of LSST's packets."""
    if not isinstance(schema, dict) or schema.get("type") != "record":
        return None
    named = dict(_records(schema))
    top = {field["name"]: field["type"] for field in schema["fields"]}
    source = _names(top.get("diaSource"), named)
    if not source >= frozenset(spelled(_TRIGGER_MUST_HAVE, source)):
        return None
    return tuple(
        (name, spelled(columns, _names(_items(top[name]), named)))
        for name, columns in HISTORY.items()
        if name in top
    )


def _records(kind: Any) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield each record within a type: the last part of its name, and its fields."""
    if isinstance(kind, list):
        for branch in kind:
            yield from _records(branch)
    elif isinstance(kind, dict) and "fields" in kind:
        yield str(kind["name"]).rpartition(".")[2], _field_names(kind["fields"])
        for field in kind["fields"]:
            yield from _records(field["type"])
    elif isinstance(kind, dict):
        yield from _records(kind.get("items"))


def _names(kind: Any, named: dict[str, frozenset[str]]) -> frozenset[str]:
    """Return the field names of the record among a type's branches; none if there is no record."""
    for branch in kind if isinstance(kind, list) else [kind]:
        if isinstance(branch, dict) and "fields" in branch:
            return _field_names(branch["fields"])
        if isinstance(branch, str) and branch.rpartition(".")[2] in named:
            return named[branch.rpartition(".")[2]]
    return frozenset()


def _items(kind: Any) -> Any:
    """Return the type of a list's items, nullable or not."""
    branches = kind if isinstance(kind, list) else [kind]
    return next((b["items"] for b in branches if isinstance(b, dict) and "items" in b), None)


def _field_names(fields: Iterable[Any]) -> frozenset[str]:
    return frozenset(field["name"] for field in fields)
