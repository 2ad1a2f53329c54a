"""Every real Rubin packet becomes an alert, and one source is one measurement wherever it is told."""

from __future__ import annotations

import csv
import functools
import json
from collections import Counter, defaultdict

import numpy as np
import pytest

from skymesh.codecs.confluent import Schemas
from skymesh.model.alert import Alert
from skymesh.model.point import raw_values
from skymesh.surveys import registry
from skymesh.surveys.lsst.fields import FIELDS, HISTORY, history_tables
from skymesh.surveys.lsst.photometry import photometry
from skymesh.surveys.lsst.schemas import SchemaFolder
from skymesh_t1.muxing import mux
from skymesh_t2.units.difference_flux import DifferenceFlux
from support.lsst_packets import PUBLIC, kind_of
from support.packets import ingested

pytestmark = pytest.mark.shared_data

IDS = ["7_0", "7_1", "7_2", "7_3", "7_4", "8_0", "9_0", "10_0", "11_0", "11_1"]


@functools.cache
def read(folder):
    """Every record of the containers in a folder, by file; a rejection ends the test."""
    found = defaultdict(list)
    for path in sorted(folder.glob("*.avro")):
        for item in ingested(path.read_bytes(), path.name):
            assert isinstance(item, Alert), f"{path.name}: {item.reason}"
            found[path.name.partition(".")[0]].append(item)
    return found


@pytest.fixture
def real(shared_data):
    return read(shared_data / "lsst" / "real_native")


@pytest.fixture
def alerts(real):
    return [alert for of_file in real.values() for alert in of_file]


@pytest.fixture
def index(shared_data):
    with (shared_data / "lsst" / "INDEX.csv").open() as file:
        return [row for row in csv.DictReader(file) if row["file"].startswith("rubin_")]


@pytest.fixture
def schemas(shared_data):
    return Schemas([SchemaFolder(shared_data / "lsst" / "schemas")])


def test_all_129_records_are_shaped_with_the_values_of_the_index(real, index):
    assert sum(map(len, real.values())) == len(index) == 129
    told = {(row["file"], int(row["diaSourceId"])): row for row in index}
    for file, of_file in real.items():
        for alert in of_file:
            row = told[file, alert.native]
            kinds = Counter(point.kind for point in alert.points)
            assert (kinds["detection"] - 1, kinds["forced"]) == (int(row["n_prv"]), int(row["n_forced"]))
            values = registry.values_of(alert.trigger, raw_values(alert.trigger))
            assert alert.trigger.mjd_tai == float(row["mjd"])
            assert (values["visit"], values["band"]) == (int(row["visit"]), row["band"])
            for name in ("ra", "dec", "psfFlux", "snr", "reliability"):
                assert values[name] == pytest.approx(float(row[name]), rel=1e-12)


def test_every_stock_is_that_of_the_index_though_15_ids_were_spoilt_on_the_way(real, index):
    told = {int(row["diaSourceId"]): row for row in index}
    stocks = Counter()
    for alert in (alert for of_file in real.values() for alert in of_file):
        row = told[alert.native]
        kind = "lsst" if row["diaObjectId"] != "0" else "sso"
        assert alert.stock == f"{kind}:{row['diaObjectId'] if kind == 'lsst' else row['ssObjectId']}"
        assert (kind == "sso") == ("designation" in alert.attributes)
        stocks[kind] += 1
    assert stocks == {"lsst": 100, "sso": 29}


def test_a_source_is_one_point_wherever_it_is_told(alerts):
    """Also where its trigger says null and its history 0 of the solar-system object that it is not."""
    ids, times = defaultdict(set), Counter()
    for alert in alerts:
        for point in alert.points:
            ids[point.key].add(point.id)
            times[point.key] += 1
    repeated = [key for key in ids if times[key] > 1]
    assert Counter(kind for _, kind, _ in ids) == {"detection": 27432, "forced": 40061}
    assert Counter(kind for _, kind, _ in repeated) == {"detection": 4890, "forced": 6941}
    assert {len(ids[key]) for key in ids} == {1}


def test_a_trigger_is_found_again_in_a_later_history(alerts):
    triggers = {alert.trigger.key: alert.trigger for alert in alerts}
    copies = [point for alert in alerts for point in alert.points[1:] if point.key in triggers]
    assert copies
    assert all(point == triggers[point.key] for point in copies)


def test_of_an_image_that_was_processed_again_the_latest_source_stays(alerts):
    """In one of five the earlier source has the larger id."""
    again = 0
    for alert in alerts:
        sources = [point for point in alert.points if point.kind == "detection"]
        kept = {point.id for point in mux(sources, PUBLIC)}
        looks = defaultdict(list)
        for point in sources:
            looks[point.exposure].append(point)
        for same in (same for same in looks.values() if len(same) > 1):
            latest = max(same, key=lambda point: point.processed_mjd_tai)
            assert [point.id in kept for point in same] == [point is latest for point in same]
            assert {point.mjd_tai for point in same} == {latest.mjd_tai}
            again += 1
    assert again == 5


def test_photometry_of_every_point_is_finite_or_masked_and_signed_by_is_negative(alerts):
    signs = Counter()
    for alert in alerts:
        found = photometry(alert.points)
        assert not found.band.count("unknown")
        is_good = np.isfinite(found.flux_njy)
        assert (is_good == np.isfinite(found.flux_err_njy)).all()
        assert (found.flux_err_njy[is_good] > 0).all()
        for row, point in enumerate(alert.points):
            values = registry.values_of(point, raw_values(point))
            assert bool(values.get("psfFlux_flag")) <= (not is_good[row])
            if point.kind == "detection" and is_good[row]:
                signs[values["isNegative"], bool(found.flux_njy[row] < 0)] += 1
    assert signs[True, False] == 0
    assert signs[True, True] > 8000


def test_a_light_curve_has_one_row_for_an_image(alerts):
    """27,981 of 47,002 forced points lie on a visit and detector that has a source."""
    shared = forced = 0
    for alert in alerts:
        sources = {point.exposure for point in alert.points if point.kind == "detection"}
        of_forced = [point.exposure for point in alert.points if point.kind == "forced"]
        shared += sum(exposure in sources for exposure in of_forced)
        forced += len(of_forced)
        curve = DifferenceFlux().tabulate(mux(alert.points, PUBLIC))
        assert len(curve) == len(sources | set(of_forced))
        assert set(curve.time_of.tolist()) <= {"middle"}
    assert forced == 47002
    assert shared == 27981


def test_every_packet_has_its_image_stamps(alerts):
    assert len({alert.cutouts for alert in alerts}) == len({alert.id for alert in alerts})


def test_the_samples_of_every_schema_are_read(shared_data):
    found = read(shared_data / "lsst" / "samples")
    assert sum(map(len, found.values())) == 23
    assert {alert.stock for alert in found["ampel_lsst_elasticc_11290844"]} == {"lsst:11290844"}
    assert len({alert.id for alert in found["fakeAlert"]}) == 1
    for alert in (alert for of_file in found.values() for alert in of_file):
        assert "unknown" not in photometry(alert.points).band


def test_messages_of_every_schema_are_read_by_their_id(shared_data, schemas):
    made = {}
    for path in sorted((shared_data / "lsst" / "confluent").glob("*.bin")):
        (made[path.name],) = ingested(path.read_bytes(), path.name, schemas)
    assert len(made) == 11
    assert all(isinstance(item, Alert) for item in made.values())
    boom = made.pop("boom_7912941781254298.v9_0.confluent.bin")
    assert (boom.stock, len(boom.points)) == ("lsst:7912941781254298", 1)
    for item in made.values():
        assert (item.stock, len(item.points)) == ("src:281323062375219200", 3)


def test_a_message_is_what_its_container_is(shared_data, schemas):
    for version in IDS:
        (message,) = ingested((shared_data / f"lsst/confluent/lsst.v{version}.confluent.bin").read_bytes(),
                              schemas=schemas)  # fmt: skip
        (sample,) = ingested((shared_data / f"lsst/samples/fakeAlert.v{version}.avro").read_bytes())
        assert message.points == sample.points
        assert message.record == sample.record


@pytest.mark.parametrize("version", IDS)
def test_the_field_lists_are_those_of_the_schemas(shared_data, version):
    """Every field that the newest schemas have is in a list, left out by name, or of the type we think."""
    folder = shared_data / "lsst" / "schemas" / version.replace("_", "/")
    for kind, name in (("detection", "diaSource"), ("forced", "diaForcedSource")):
        fields = json.loads((folder / f"lsst.v{version}.{name}.avsc").read_text())["fields"]
        names = {field["name"] for field in fields} - {f"{name}Id", "diaObjectId", "ssObjectId"}
        if version in {"9_0", "10_0", "11_0", "11_1"}:
            assert names <= set(FIELDS[kind])
        for field in fields:
            if field["name"] in FIELDS[kind]:
                types = field["type"] if isinstance(field["type"], list) else [field["type"]]
                assert kind_of(field["name"]) in types
    tables = dict(history_tables(SchemaFolder(shared_data / "lsst" / "schemas").find(_id(version))))
    assert {len(tables[name]) - len(HISTORY[name]) for name in tables} == {0}


def _id(version):
    major, minor = map(int, version.split("_"))
    return 100 * major + minor
