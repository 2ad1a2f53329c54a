"""Verdicts on real ZTF alerts are those of a plain reading of the packets, cut by cut."""

from __future__ import annotations

import io
from collections import Counter

import fastavro
import pytest
from astropy.coordinates import SkyCoord

from skymesh.model.alert import Alert
from skymesh.units import AlertTable
from skymesh_t0.units.simple_decent_filter import SimpleDecentFilter
from skymesh_t0.verdicts import view_of
from support.packets import EVERYTHING, ingested

pytestmark = pytest.mark.shared_data


@pytest.fixture(scope="module")
def real(shared_data):
    """Each packet as fastavro decodes it, and the channel's view of its alert."""
    pairs = []
    for path in sorted((shared_data / "ztf" / "avro").rglob("*.avro")):
        data = path.read_bytes()
        views = [view_of(item, EVERYTHING) for item in ingested(data) if isinstance(item, Alert)]
        pairs += zip(fastavro.reader(io.BytesIO(data)), views, strict=True)
    return pairs


def absent(value):
    return value is None or value == -999


def plain_reason(packet, unit):
    """The first cut of SimpleDecentFilter that a packet fails, written down as one would by hand."""
    new = packet["candidate"]
    looks = {(new["jd"], new["rcid"])}
    looks |= {(p["jd"], p["rcid"]) for p in packet["prv_candidates"] or () if p["candid"] is not None}
    span = max(jd for jd, _ in looks) - min(jd for jd, _ in looks)
    sky = SkyCoord(new["ra"], new["dec"], unit="deg")
    neighbours = [(new.get(f"distpsnr{n}"), new.get(f"sgscore{n}")) for n in (1, 2, 3)]
    known = all(not absent(d) and not absent(s) for d, s in neighbours)
    near, score = neighbours[0]
    archive = None if absent(new.get("jdstarthist")) else new["jdendhist"] - new["jdstarthist"]
    fails = {
        "min_ndet": len(looks) < unit.min_ndet,
        "min_tspan": span < unit.min_tspan,
        "max_tspan": span > unit.max_tspan,
        "isdiffpos": new["isdiffpos"] in {"f", "0"},
        "min_rb": new["rb"] < unit.min_rb,
        "min_drb": not absent(new.get("drb")) and new["drb"] < unit.min_drb,
        "max_fwhm": new["fwhm"] > unit.max_fwhm,
        "max_elong": new["elong"] > unit.max_elong,
        "max_magdiff": abs(new["magdiff"]) > unit.max_magdiff,
        "max_nbad": new["nbad"] > unit.max_nbad,
        "min_archive_tspan": archive is not None and archive < unit.min_archive_tspan,
        "max_archive_tspan": archive is not None and archive > unit.max_archive_tspan,
        "min_sso_dist": not absent(new["ssdistnr"]) and 0 <= new["ssdistnr"] < unit.min_sso_dist,
        "min_gal_lat": abs(sky.galactic.b.deg) < unit.min_gal_lat,
        "ps1_sgveto_th": not (absent(near) or absent(score))
        and near < unit.ps1_sgveto_rad
        and score > unit.ps1_sgveto_th,
        "ps1_confusion_rad": known
        and max(d for d, _ in neighbours) < unit.ps1_confusion_rad
        and max(abs(s - 0.5) for _, s in neighbours) < unit.ps1_confusion_sg_tol,
    }
    return next((cut for cut, is_failed in fails.items() if is_failed), "")


OPEN = {"min_ndet": 1, "min_tspan": -99, "max_tspan": 999}


@pytest.mark.parametrize("config", [
    {}, OPEN, OPEN | {"min_drb": 0.995, "max_archive_tspan": 100, "min_gal_lat": 14},
    OPEN | {"min_archive_tspan": 6, "max_fwhm": 9, "min_rb": 0, "max_magdiff": 1, "max_elong": 2,
            "max_nbad": 2, "ps1_confusion_rad": 9, "ps1_sgveto_th": 1},
])  # fmt: skip
def test_every_verdict_is_that_of_a_plain_reading(real, config):
    unit = SimpleDecentFilter(**config)
    found = unit.accept_table(AlertTable(tuple(view for _, view in real)))
    reasons = [verdict.reason.split(":")[0] for verdict in found]
    assert reasons == [plain_reason(packet, unit) for packet, _ in real]
    assert [verdict.is_accepted for verdict in found] == [not reason for reason in reasons]


def test_a_mixed_set_is_thinned_and_every_rejection_has_its_value(real):
    found = SimpleDecentFilter().accept_table(AlertTable(tuple(view for _, view in real)))
    accepted = sum(verdict.is_accepted for verdict in found)
    assert 0.1 < accepted / len(found) < 0.3
    cuts = Counter(verdict.reason.split(": ")[0] for verdict in found if not verdict.is_accepted)
    assert cuts.most_common(2)[0][0] in {"max_tspan", "min_ndet"}
    assert len(cuts) >= 8
    assert all(float(v.reason.split(": ")[1]) >= 0 for v in found if not v.is_accepted)
