"""A survey that nobody here has heard of is plugged in by entry point, without a change to skymesh."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import fastavro
import pytest

from skymesh.codecs.avro import read_header
from skymesh.errors import NotFoundError, UnknownSchemaError
from skymesh.surveys import registry
from support.packets import packet
from support.plugins import write_distribution

SURVEY = """
import numpy as np

from skymesh.errors import InvalidDataPointError
from skymesh.model.alert import Alert, alert_id
from skymesh.model.ids import digest_of
from skymesh.model.point import DETECTION, DataPoint, MeasurementKey, point_body, point_id
from skymesh.surveys.survey import Photometry, Shaped

COLUMNS = ("flux", "mjd")


class Argus:
    name = "argus"
    labels = frozenset({"argus_public"})
    time_of = "middle"

    def tables(self, schema):
        return (("earlier", COLUMNS),) if schema.get("name") == "argus.alert" else None

    def fields(self, kind):
        return COLUMNS

    def shape(self, record, source):
        if record["flux"] < 0:
            raise InvalidDataPointError("Argus sees no negative flux")
        rows = [(record["flux"], record["mjd"]), *record["earlier"]]
        points = tuple(self._point(record["number"] - index, row) for index, row in enumerate(rows))
        stock = f"argus:{record['object']}"
        digest = digest_of("record", [point.id for point in points])
        id_ = alert_id(self.name, record["number"])
        alert = Alert(
            id=id_, survey=self.name, native=record["number"], stock=stock, record=digest, points=points,
            values={}, aggregates={}, attributes={}, cutouts=None, source=source,
        )
        return Shaped(alert, None)

    def _point(self, number, row):
        key = MeasurementKey(self.name, DETECTION, number)
        body = point_body(key, row)
        return DataPoint(
            id=point_id(body), survey=key.survey, kind=key.kind, native=key.native, is_withdrawn=False,
            is_triggering=False, processed_mjd_tai=0.0, labels=("argus_public",), exposure=None,
            mjd_tai=row[1], body=body,
        )

    def photometry(self, points):
        from skymesh.model.point import raw_values

        flux = np.array([raw_values(point)[0] for point in points], dtype=float)
        nothing = np.full(len(points), np.nan)
        keys = [point.native for point in points]
        return Photometry(flux, flux * 0.1, nothing, nothing, ["argus"] * len(points), keys)

    def positions_deg(self, points):
        return np.full(len(points), 10.0), np.full(len(points), -5.0)
"""

SCRIPT = """
import json, pathlib, sys
from skymesh.jobs.plan import plan_job
from skymesh.jobs.spec import JobSpec
from skymesh.surveys import registry
from skymesh.units import DataPoints
from skymesh_ingest.reading import Container, read_packets
from skymesh_ingest.shaping import shape_packets
from skymesh_t1.muxing import mux
from skymesh_t2.units.difference_flux import DifferenceFlux
from skymesh_t2.units.fast_decliner import FastDecliner
from skymesh_t2.units.light_curve_summary import LightCurveSummary

def ingest(name, path):
    made = shape_packets(read_packets(Container(name, pathlib.Path(path).read_bytes())), bytes(16))
    return made.alerts, made.dead

(alert,), (letter,) = ingest("argus.avro", sys.argv[1])
(ztf,), _ = ingest("ztf.avro", sys.argv[2])
muxed = mux(alert.points, frozenset({"argus_public"}))
curve = DifferenceFlux().tabulate(muxed)
summary = LightCurveSummary().run(curve, DataPoints(muxed))
channel = {"access": ["argus_public", "ztf_public"], "filter": {"unit": "AcceptAll"}}
plan = plan_job(JobSpec.model_validate({"name": "j", "channels": {"c": channel}}), "job.yaml")
print(json.dumps({
    "surveys": sorted(registry.installed()),
    "stock": alert.stock,
    "rejected": [letter.source, letter.index, letter.reason],
    "natives": [point.native for point in alert.points],
    "values": registry.values_of(alert.points[1], (2.5, 59000.25)),
    "hidden": len(mux(alert.points, frozenset({"ztf_public"}))),
    "time_of": sorted(set(curve.time_of.tolist())),
    "bands": list(summary.bands), "ra_deg": summary.ra_deg, "detections": summary.detections,
    "fast": FastDecliner().run(curve).fast,
    "grants": sorted(plan.channels[0].grants),
    "ztf": ztf.stock,
}))
"""
EARLIER = {
    "type": "record",
    "name": "argus.point",
    "fields": [{"name": "mjd", "type": "double"}, {"name": "flux", "type": "double"}],
}
SCHEMA = {
    "type": "record",
    "name": "argus.alert",
    "fields": [
        {"name": "object", "type": "string"},
        {"name": "number", "type": "long"},
        {"name": "mjd", "type": "double"},
        {"name": "flux", "type": "double"},
        {"name": "earlier", "type": {"type": "array", "items": EARLIER}},
    ],
}


@pytest.fixture
def argus_container():
    records = [
        {"object": "eye7", "number": 2**60 + 1, "mjd": 59001.0, "flux": 1.5,
         "earlier": [{"mjd": 59000.25, "flux": 2.5}]},
        {"object": "eye8", "number": 2, "mjd": 59001.0, "flux": -1.0, "earlier": []},
    ]  # fmt: skip
    out = io.BytesIO()
    fastavro.writer(out, fastavro.parse_schema(SCHEMA), records, codec="deflate")
    return out.getvalue()


def test_its_packets_go_all_the_way_once_its_distribution_is_installed(tmp_path, argus_container):
    write_distribution(tmp_path, "argus_for_skymesh", SURVEY, {"skymesh.surveys": {"argus": "Argus"}})
    (tmp_path / "argus.avro").write_bytes(argus_container)
    (tmp_path / "ztf.avro").write_bytes(packet())
    env = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "argus.avro"), str(tmp_path / "ztf.avro")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "surveys": ["argus", "lsst", "ztf"],
        "stock": "argus:eye7",
        "rejected": ["argus.avro", 1, "Argus sees no negative flux"],
        "natives": [2**60 + 1, 2**60],
        "values": {"flux": 2.5, "mjd": 59000.25},
        "hidden": 0,
        "time_of": ["middle"],
        "bands": ["argus"],
        "ra_deg": pytest.approx(10.0),
        "detections": 2,
        "fast": True,
        "grants": ["argus_public", "ztf_public"],
        "ztf": "ztf:ZTF21aaaaaaa",
    }


def test_without_its_distribution_its_schema_is_unknown(argus_container):
    header, _ = read_header(argus_container)
    with pytest.raises(UnknownSchemaError, match=r"argus\.alert"):
        registry.of_header(header)
    with pytest.raises(NotFoundError, match="installed: lsst, ztf"):
        registry.get("argus")
