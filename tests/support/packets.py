"""Synthetic ZTF packets for tests: plausible values, no real measurement among them.

A test names what it is about; everything else has a default::

    packet(object_id="ZTF21aaaaaaa", jd_utc=JD, history=[detection(jd_utc=JD - 3), limit(jd_utc=JD - 5)])

gives the bytes of an Avro container with one alert of schema 4.02. Equal arguments give equal bytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any

import fastavro

from skymesh.codecs.confluent import Schemas
from skymesh.model.alert import Alert
from skymesh.model.ids import Digest
from skymesh.model.point import DataPoint
from skymesh.model.run import DeadLetter
from skymesh.surveys.survey import Shaped
from skymesh.surveys.ztf.packet_schema import HISTORY_FIELDS, PACKET_SCHEMA, PACKET_VERSION, write_packet
from skymesh_ingest.reading import Container, Unreadable, read_packets
from skymesh_ingest.shaping import shape_packets

JD = 2459500.75
"""The default time of a triggering detection: d, UTC, start of the exposure; in October 2021."""

OBJECT = "ZTF21aaaaaaa"
CUTOUT_NAMES = ("Science", "Template", "Difference")
PUBLIC = frozenset({"ztf_public"})
EVERYTHING = frozenset({"ztf_public", "ztf_private", "ztf_caltech", "ztf_engineering"})

_FIRST_JD = 2457754.5
_DEFAULT_CANDIDATE_NUMBER = 15001
_PARSED = fastavro.parse_schema(PACKET_SCHEMA)


def pid_of(jd_utc: float, rcid: int) -> int:
    """Return the survey's id of one exposure in one readout channel."""
    return round((jd_utc - _FIRST_JD) * 100_000) * 10_000 + rcid * 100 + 15


def candid_of(jd_utc: float, rcid: int, number: int = _DEFAULT_CANDIDATE_NUMBER) -> int:
    """Return a native id as the survey makes them; it lies far above 2**53."""
    return pid_of(jd_utc, rcid) * 1_000_000 + number


def detection(
    *,
    jd_utc: float = JD - 3,
    candid: int | None = None,
    magpsf: float | None = 19.0,
    sigmapsf: float | None = 0.05,
    isdiffpos: str | None = "t",
    fid: int = 1,
    rcid: int | None = 28,
    programid: int = 1,
    ra: float | None = 150.1,
    dec: float | None = 2.2,
    **more: Any,
) -> dict[str, Any]:
    """Return a detection as an entry of a history."""
    channel = 0 if rcid is None else rcid
    values: dict[str, Any] = {
        "jd": jd_utc, "fid": fid, "pid": pid_of(jd_utc, channel), "diffmaglim": 20.5, "pdiffimfilename": None,
        "programpi": None, "programid": programid,
        "candid": candid_of(jd_utc, channel) if candid is None else candid,
        "isdiffpos": isdiffpos, "tblid": 3, "nid": int(jd_utc - _FIRST_JD), "rcid": rcid, "field": 468,
        "xpos": 1024.5, "ypos": 2048.25, "ra": ra, "dec": dec, "magpsf": magpsf, "sigmapsf": sigmapsf,
        "chipsf": 1.5, "magap": 19.1, "sigmagap": 0.125, "distnr": 0.75, "magnr": 20.0, "sigmagnr": 0.03125,
        "chinr": 0.5, "sharpnr": 0.0625, "sky": 0.25, "magdiff": 0.1, "fwhm": 2.5, "classtar": 0.9375,
        "mindtoedge": 500.0, "magfromlim": 1.4, "seeratio": 1.0, "aimage": 0.75, "bimage": 0.625,
        "aimagerat": 0.3, "bimagerat": 0.25, "elong": 1.2, "nneg": 2, "nbad": 0, "rb": 0.875,
        "ssdistnr": -999.0, "ssmagnr": -999.0, "ssnamenr": None, "sumrat": 0.98, "magapbig": 19.05,
        "sigmagapbig": 0.15, "ranr": 150.1001, "decnr": 2.2001, "scorr": 20.5, "magzpsci": 26.25,
        "magzpsciunc": 1e-5, "magzpscirms": 0.03, "clrcoeff": -0.05, "clrcounc": 1e-5,
        "rbversion": "t17_f5_c3",
    }  # fmt: skip
    return values | more


def limit(
    *,
    jd_utc: float = JD - 5,
    diffmaglim: float | None = 20.25,
    fid: int = 1,
    rcid: int = 28,
    programid: int = 1,
    **more: Any,
) -> dict[str, Any]:
    """Return an upper limit as an entry of a history: there is no candid."""
    values: dict[str, Any] = dict.fromkeys(HISTORY_FIELDS)
    values |= {
        "jd": jd_utc, "fid": fid, "pid": pid_of(jd_utc, rcid), "diffmaglim": diffmaglim,
        "programid": programid, "nid": int(jd_utc - _FIRST_JD), "rcid": rcid, "field": 468,
        "magzpsci": 26.25, "rbversion": "",
    }  # fmt: skip
    return values | more


def forced(
    *,
    jd_utc: float = JD - 4,
    counts: float | None = 1000.0,
    counts_err: float | None = 50.0,
    magzpsci: float | None = 26.25,
    fid: int = 1,
    rcid: int = 28,
    programid: int = 1,
    **more: Any,
) -> dict[str, Any]:
    """Return an entry of the forced photometry."""
    values: dict[str, Any] = {
        "field": 468, "rcid": rcid, "fid": fid, "pid": pid_of(jd_utc, rcid), "rfid": 468120128,
        "sciinpseeing": 2.0, "scibckgnd": 150.0, "scisigpix": 5.5, "magzpsci": magzpsci, "magzpsciunc": 1e-5,
        "magzpscirms": 0.03, "clrcoeff": -0.05, "clrcounc": 1e-5, "exptime": 30.0, "adpctdif1": 0.1,
        "adpctdif2": 0.2, "diffmaglim": 20.5, "programid": programid, "jd": jd_utc,
        "forcediffimflux": counts, "forcediffimfluxunc": counts_err, "procstatus": "0", "distnr": 0.5,
        "ranr": 150.1001, "decnr": 2.2001, "magnr": 20.0, "sigmagnr": 0.03125, "chinr": 0.5,
        "sharpnr": 0.0625,
    }  # fmt: skip
    return values | more


def candidate(**values: Any) -> dict[str, Any]:
    """Return a triggering record: a detection, and what only the triggering record carries."""
    only_trigger: dict[str, Any] = {
        "sgscore1": 0.25, "distpsnr1": 1.5, "srmag1": 20.5, "ndethist": 3, "ncovhist": 20,
        "jdstarthist": JD - 30, "jdendhist": JD, "tooflag": 0, "objectidps1": 110_000_000_000_000_001,
        "nmtchps": 4, "rfid": 468120128,
        "jdstartref": 2458200.5, "jdendref": 2458300.5, "nframesref": 15, "dsnrms": 1.0, "ssnrms": 2.0,
        "dsdiff": -1.0, "nmatches": 400, "zpclrcov": -1e-6, "zpmed": 26.25, "clrmed": 0.6, "clrrms": 0.2,
        "neargaia": 10.5, "neargaiabright": 60.5, "maggaia": 18.5, "maggaiabright": 13.5, "exptime": 30.0,
        "drb": 0.96875, "drbversion": "d6_m7",
    }  # fmt: skip
    return (
        detection(**{"jd_utc": JD, **values})
        | only_trigger
        | {k: v for k, v in values.items() if k in only_trigger}
    )


def as_history(trigger: dict[str, Any]) -> dict[str, Any]:
    """Return a triggering record as the survey repeats it in later histories: rounded and spelt otherwise."""
    entry = {name: trigger[name] for name in HISTORY_FIELDS}
    for name in ("magpsf", "sigmapsf", "rb"):
        entry[name] = None if entry[name] is None else round(entry[name] + 3e-5, 6)
    entry["isdiffpos"] = {"t": "1", "f": "0"}.get(entry["isdiffpos"], entry["isdiffpos"])
    entry["ssdistnr"] = entry["ssmagnr"] = None
    return entry


def record(
    *,
    object_id: str = OBJECT,
    history: Sequence[dict[str, Any]] | None = (),
    forced: Sequence[dict[str, Any]] | None = None,
    cutouts: bool = False,
    trigger: dict[str, Any] | None = None,
    **values: Any,
) -> dict[str, Any]:
    """Return a decoded packet, as one would read it with fastavro. See `packet`."""
    chosen = candidate(**values) if trigger is None else trigger | values
    stamps = {
        f"cutout{name}": {"fileName": f"{name}.fits.gz", "stampData": b"\x1f\x8b" + name.encode() * 100}
        if cutouts
        else None
        for name in CUTOUT_NAMES
    }
    return {
        "schemavsn": PACKET_VERSION,
        "publisher": "synthetic: made by the tests",
        "objectId": object_id,
        "candid": chosen["candid"],
        "candidate": chosen,
        "prv_candidates": None if history is None else list(history),
        "fp_hists": None if forced is None else list(forced),
        **stamps,
    }


def packet(*, codec: str = "null", **values: Any) -> bytes:
    """Return a container with one synthetic alert.

    Parameters
    ----------
    codec
        The container's codec.
    **values
        ``object_id``, ``history`` and ``forced`` (lists of entries), ``cutouts`` (with image stamps or
        not), ``trigger`` (a whole triggering record, see `candidate`); anything else is a value of the
        triggering record: ``candid``, ``jd_utc``, ``magpsf``, ``programid``, ``rcid`` …
    """
    return write_packet(record(**values), codec)


def container(
    records: Iterable[dict[str, Any]], *, codec: str = "null", sync_interval: int = 16_000
) -> bytes:
    """Return one container with several decoded packets; a block ends after `sync_interval` bytes."""
    items = list(records)
    body = io.BytesIO()
    for item in items:
        fastavro.schemaless_writer(body, _PARSED, item)
    marker = blake2b(body.getvalue(), digest_size=16).digest()
    out = io.BytesIO()
    fastavro.writer(out, _PARSED, items, codec=codec, sync_marker=marker, sync_interval=sync_interval)
    return out.getvalue()


def ingested(
    data: bytes, name: str = "synthetic.avro", schemas: Schemas | None = None
) -> list[Alert | DeadLetter]:
    """Return what ingest makes of every record of a container or message, in order."""
    made: list[Alert | DeadLetter] = []
    for item in read_packets(Container(name, data), schemas or Schemas()):
        shaped = shape_packets([item], Digest(bytes(16)))
        made += [*shaped.alerts, *shaped.dead]
    return made


def shaped(data: bytes) -> Shaped:
    """Return the one record of a container, shaped; what is wrong with it is raised."""
    (item,) = read_packets(Container("synthetic.avro", data))
    if isinstance(item, Unreadable):
        raise item.error
    return item.survey.shape(item.record.value, item.source)


def alert(**values: Any) -> Alert:
    """Return a synthetic alert as ingest shapes it; the arguments are those of `packet`."""
    return shaped(packet(**values)).alert


def points(**values: Any) -> tuple[DataPoint, ...]:
    """Return the points of a synthetic alert, the triggering one first."""
    return alert(**values).points
