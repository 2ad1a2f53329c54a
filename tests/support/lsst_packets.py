"""Synthetic LSST packets for tests: plausible values, no real measurement among them.

They are of the project's own schemas, which have the fields of the survey's as far as the mesh reads
them, and those of a few more records::

    container([record(history=[dia_source(day=-3)], forced=[dia_forced_source()])], version="10.0")

Versions are ``7.4`` and ``8.0``, which spell some fields otherwise, ``10.0``, ``11.1``, and ``elasticc``.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any

import fastavro

from skymesh.model.alert import Alert
from skymesh.model.point import DataPoint
from skymesh.surveys.lsst.fields import DETECTION_FIELDS, FORCED_FIELDS, LIMIT_FIELDS, OLD_NAMES
from support.packets import shaped

MJD = 61109.25
"""The default time of a triggering source: MJD, TAI, middle of the exposure; in March 2026."""

SOURCE_ID = 170112044704464001
OBJECT_ID = 313875416793743001
VISIT = 2026030900027
VERSIONS = ("7.4", "8.0", "10.0", "11.1", "elasticc")
PUBLIC = frozenset({"lsst_public"})

_KINDS = {
    "long": {"diaSourceId", "diaForcedSourceId", "diaObjectId", "ssObjectId", "visit", "ccdVisitId",
             "parentDiaSourceId"},
    "int": {"detector", "psfNdata", "trailNdata", "dipoleNdata", "bboxSize", "trailAlgorithm", "nDiaSources"},
    "double": {"midpointMjdTai", "ra", "dec", "trailRa", "trailDec", "timeProcessedMjdTai",
               "timeWithdrawnMjdTai", "e", "eclLambda"},
    "string": {"band", "reliabilityVersion", "designation", "mpc_orb_jsonb"},
    "boolean": {"isNegative", "isDipole", "dipoleFitAttempted", "glint_trail"},
}  # fmt: skip
_MOMENT = {"type": "long", "logicalType": "timestamp-micros"}
_NEW = {"11.1": (), "10.0": ("exposureTime", "trailAlgorithm", "trail_flag", "reliabilityVersion")}
_NEW["8.0"] = (*_NEW["10.0"], "timeWithdrawnMjdTai")
_NEW["7.4"] = (*_NEW["8.0"], "timeProcessedMjdTai", "scienceFlux", "scienceFluxErr", "templateFlux",
               "templateFluxErr", "isDipole", "bboxSize", "glint_trail")  # fmt: skip
_OLD = {
    "7.4": {"isNegative": "is_negative"},
    "8.0": {"timeProcessedMjdTai": "time_processed"},
    "elasticc": {
        name: old for name, old in OLD_NAMES.items() if name not in {"isNegative", "timeProcessedMjdTai"}
    },
}
_ELASTICC = ("visit", "midpointMjdTai", "band", "ra", "dec", "psfFlux", "psfFluxErr", "snr")


def dia_source(*, day: float = -3.0, **values: Any) -> dict[str, Any]:
    """Return a source, by default of the history: `day` days from the default trigger."""
    number = round(day * 1000)
    source: dict[str, Any] = dict.fromkeys(("diaSourceId", "diaObjectId", "ssObjectId", *DETECTION_FIELDS))
    source |= {name: False for name in source if kind_of(name) == "boolean"}
    source |= {
        "diaSourceId": SOURCE_ID + number, "diaObjectId": OBJECT_ID, "visit": VISIT + number, "detector": 42,
        "midpointMjdTai": MJD + day, "ra": 150.125, "dec": 2.25, "x": 1024.5, "y": 2048.25, "snr": 25.5,
        "psfFlux": 7000.5, "psfFluxErr": 250.25, "psfNdata": 1681, "trailNdata": 0, "dipoleNdata": 0,
        "templateFlux": 30000.0, "templateFluxErr": 120.5, "scienceFlux": 37000.5, "scienceFluxErr": 260.0,
        "extendedness": 0.0, "reliability": 0.90625, "band": "g", "timeProcessedMjdTai": MJD + day + 0.0625,
        "bboxSize": 25,
    }  # fmt: skip
    return source | values


def dia_forced_source(*, day: float = -2.0, **values: Any) -> dict[str, Any]:
    """Return forced photometry at the object's position."""
    number = round(day * 1000)
    source: dict[str, Any] = dict.fromkeys(("diaForcedSourceId", "diaObjectId", *FORCED_FIELDS))
    source |= {
        "diaForcedSourceId": SOURCE_ID + 500_000 + number, "diaObjectId": OBJECT_ID,
        "ra": 150.125, "dec": 2.25, "visit": VISIT + number, "detector": 42, "psfFlux": -125.5,
        "psfFluxErr": 240.0, "midpointMjdTai": MJD + day, "scienceFlux": 29900.0, "scienceFluxErr": 250.0,
        "band": "r", "timeProcessedMjdTai": MJD + day + 0.125,
    }  # fmt: skip
    return source | values


def dia_limit(*, day: float = -5.0, **values: Any) -> dict[str, Any]:
    """Return a limit: one detector saw nothing in one visit."""
    identity = 9_000_000 + round(day * 1000)
    return {"ccdVisitId": identity, "midpointMjdTai": MJD + day, "band": "i", "diaNoise": 150.5} | values


def record(
    *,
    history: Sequence[dict[str, Any]] | None = (),
    forced: Sequence[dict[str, Any]] | None = (),
    limits: Sequence[dict[str, Any]] | None = None,
    trigger: dict[str, Any] | None = None,
    cutouts: bool = False,
    dia_object: dict[str, Any] | None = None,
    ss_source: dict[str, Any] | None = None,
    orbit: dict[str, Any] | None = None,
    **values: Any,
) -> dict[str, Any]:
    """Return a packet under the newest names; other arguments are values of the triggering source."""
    source = (dia_source(day=0.0) if trigger is None else trigger) | values
    return {
        "diaSourceId": source["diaSourceId"],
        "observation_reason": "ddf_synthetic",
        "target_name": None,
        "diaSource": source,
        "prvDiaSources": None if history is None else list(history),
        "prvDiaForcedSources": None if forced is None else list(forced),
        "prvDiaNondetectionLimits": None if limits is None else list(limits),
        "diaObject": dia_object,
        "ssSource": ss_source,
        "mpc_orbits": orbit,
        **{f"cutout{name}": b"SIMPLE  = " + name.encode() * 99 if cutouts else None
           for name in ("Difference", "Science", "Template")},
    }  # fmt: skip


def container(records: Iterable[dict[str, Any]], *, version: str = "10.0", codec: str = "null") -> bytes:
    """Return an Avro container of packets in a version's spelling; equal arguments give equal bytes."""
    items = [spelled(item, version) for item in records]
    body = b"".join(encoded(item, version) for item in items)
    out = io.BytesIO()
    marker = blake2b(body, digest_size=16).digest()
    fastavro.writer(out, parsed(version), items, codec=codec, sync_marker=marker)
    return out.getvalue()


def message(item: dict[str, Any], *, version: str = "10.0", schema_id: int = 1000) -> bytes:
    """Return a packet in Confluent's framing."""
    return b"\0" + schema_id.to_bytes(4, "big") + encoded(spelled(item, version), version)


def encoded(item: dict[str, Any], version: str) -> bytes:
    """Return a packet in a version's spelling without its schema."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, parsed(version), item)
    return out.getvalue()


def alert(*, version: str = "10.0", **values: Any) -> Alert:
    """Return a synthetic alert as ingest shapes it; the arguments are those of `record`."""
    return shaped(container([record(**values)], version=version)).alert


def points(**values: Any) -> tuple[DataPoint, ...]:
    """Return the points of a synthetic alert, the triggering one first."""
    return alert(**values).points


def spelled(item: dict[str, Any], version: str) -> dict[str, Any]:
    """Return a packet as a version spells its fields."""
    old = _OLD.get(version, {})
    made = dict(item)
    made["diaSource"] = _renamed(item["diaSource"], old)
    for name in ("prvDiaSources", "prvDiaForcedSources"):
        made[name] = None if item[name] is None else [_renamed(entry, old) for entry in item[name]]
    return made


def _renamed(entry: dict[str, Any], old: dict[str, str]) -> dict[str, Any]:
    return {old.get(name, name): value for name, value in entry.items()}


@functools.cache
def parsed(version: str) -> Any:
    """Return the schema of a version, parsed."""
    return fastavro.parse_schema(schema(version))


def schema(version: str) -> dict[str, Any]:
    """Return the schema of a version: named records, the history's by name as the survey writes them."""
    namespace = "elasticc.v0_9" if version == "elasticc" else f"lsst.v{version.replace('.', '_')}"
    make = functools.partial(_record_schema, namespace, version)
    sources, forced = (_columns(version, names) for names in (DETECTION_FIELDS, FORCED_FIELDS))
    lists = {
        "prvDiaSources": f"{namespace}.diaSource",
        "prvDiaForcedSources": make("diaForcedSource", ("diaForcedSourceId", "diaObjectId", *forced)),
    }
    parts = {
        "ssSource": ("designation", "ssObjectId", "eclLambda"),
        "mpc_orbits": ("designation", "e", "mpc_orb_jsonb"),
    }
    if version in {"7.4", "elasticc"}:
        lists["prvDiaNondetectionLimits"] = make("diaNondetectionLimit", LIMIT_FIELDS)
        parts = {}
    parts["diaObject"] = ("diaObjectId", "ra", "dec", "nDiaSources", "g_psfFluxMean")
    fields = [{"name": "alertId" if version == "elasticc" else "diaSourceId", "type": "long", "default": 1}]
    fields += [{"name": name, "type": ["null", "string"]} for name in ("observation_reason", "target_name")]
    names = ("diaSourceId", "diaObjectId", "ssObjectId", *sources)
    fields.append({"name": "diaSource", "type": make("diaSource", names)})
    for name, item in lists.items():
        fields.append({"name": name, "type": ["null", {"type": "array", "items": item}]})
    fields += [{"name": name, "type": ["null", make(name, names)]} for name, names in parts.items()]
    fields += [
        {"name": f"cutout{n}", "type": ["null", "bytes"]} for n in ("Difference", "Science", "Template")
    ]
    return {"type": "record", "name": "alert", "namespace": namespace, "fields": fields}


def _columns(version: str, names: Sequence[str]) -> list[str]:
    if version == "elasticc":
        return [name for name in names if name in _ELASTICC]
    return [name for name in names if name not in _NEW[version]]


def _record_schema(namespace: str, version: str, name: str, columns: Iterable[str]) -> dict[str, Any]:
    old = _OLD.get(version, {}) if name in {"diaSource", "diaForcedSource"} else {}
    fields = [
        {"name": old.get(column, column), "type": _type(old.get(column, column), column)}
        for column in columns
    ]
    return {"type": "record", "name": f"{namespace}.{name}", "fields": fields}


def _type(name: str, column: str) -> Any:
    if name == "time_processed":
        return _MOMENT
    return (
        kind_of(column)
        if column.endswith("ourceId") and "parent" not in column
        else ["null", kind_of(column)]
    )


def kind_of(name: str) -> str:
    """Return the type of a field."""
    if "flag" in name.lower():
        return "boolean"
    return next((kind for kind, names in _KINDS.items() if name in names), "float")
