"""Every real ZTF packet becomes an alert, and one detection is one measurement wherever it is told."""

from __future__ import annotations

import csv
import functools
from collections import Counter, defaultdict
from typing import NamedTuple

import numpy as np
import pytest

from skymesh.model.alert import Alert
from skymesh.surveys.ztf.photometry import photometry
from support.packets import ingested

pytestmark = pytest.mark.shared_data

FOLDERS = ("avro", "avro_multi", "rebuilt_native")


class Real(NamedTuple):
    """A real alert and the file it stood in."""

    file: str
    alert: Alert


@functools.cache
def read(folder):
    """Every record of the containers below a folder; a rejection ends the test."""
    found = []
    for path in sorted(folder.rglob("*.avro")):
        for item in ingested(path.read_bytes(), path.name):
            assert isinstance(item, Alert), f"{path.name}: {item.reason}"
            found.append(Real(str(path.relative_to(folder.parent)), item))
    return found


@pytest.fixture
def real(shared_data):
    return read(shared_data / "ztf")


@pytest.fixture
def index(shared_data):
    with (shared_data / "ztf" / "INDEX.csv").open() as file:
        return list(csv.DictReader(file))


def test_all_560_records_are_shaped(real, index):
    assert len(real) == len(index) == 560
    assert len({found.alert.id for found in real}) == len({row["candid"] for row in index}) == 497
    assert len({found.alert.stock for found in real}) == len({row["objectId"] for row in index}) == 382


def test_every_file_gives_as_many_records_as_the_index_says(real, index):
    told = Counter(row["file"] for row in index if not row["file"].endswith(".parquet"))
    found = Counter(item.file for item in real if "rebuilt_native" not in item.file)
    assert found == told
    parquet = sum(row["file"].endswith(".parquet") for row in index)
    assert sum("rebuilt_native" in item.file for item in real) == parquet == 302


def test_every_alert_has_the_values_that_the_index_has(real, index):
    told = {int(row["candid"]): row for row in index}
    for _, alert in real:
        row = told[alert.native]
        assert alert.stock == f"ztf:{row['objectId']}"
        assert alert.trigger.mjd_tai == pytest.approx(float(row["jd"]) - 2400000.5 + 37 / 86400, abs=1e-6)
        assert alert.trigger.labels == ({"1": "ztf_public", "2": "ztf_private", "3": "ztf_caltech",
                                         "0": "ztf_engineering"}[row["programid"]],)  # fmt: skip


def test_history_lengths_are_those_of_the_index(real, index):
    told = {
        (row["file"], int(row["candid"])): (int(row["n_prv"] or 0), int(row["n_fp"] or 0)) for row in index
    }
    checked = 0
    for file, alert in real:
        if (file, alert.native) in told:
            kinds = Counter(point.kind for point in alert.points[1:])
            assert (kinds["detection"] + kinds["limit"], kinds["forced"]) == told[file, alert.native]
            checked += 1
    assert checked == 258


def test_a_detection_is_one_measurement_as_trigger_and_in_every_history(real):
    in_histories = defaultdict(list)
    for _, alert in real:
        for point in alert.points[1:]:
            if point.kind == "detection":
                in_histories[point.native].append(point)
    both = 0
    for trigger in {alert.native: alert.trigger for _, alert in real}.values():
        for copy in in_histories[trigger.native]:
            both += 1
            assert copy.key == trigger.key
            assert copy.exposure == trigger.exposure
            assert copy.mjd_tai == trigger.mjd_tai
            assert copy.rank < trigger.rank
    assert both > 350


def test_copies_of_one_alert_have_one_id_and_one_trigger_in_every_format(real):
    copies = defaultdict(list)
    for _, alert in real:
        copies[alert.native].append(alert)
    assert sum(len(same) > 1 for same in copies.values()) == 51
    for same in copies.values():
        assert len({alert.id for alert in same}) == 1
        assert len({alert.trigger.key for alert in same}) == 1
        assert len({alert.stock for alert in same}) == 1


def test_equal_keys_are_never_two_measurements(real):
    times = defaultdict(set)
    for _, alert in real:
        for point in alert.points:
            times[point.key].add(point.mjd_tai)
    assert {key for key, seen in times.items() if len(seen) > 1} == set()


def test_photometry_of_every_point_is_finite_or_masked(real):
    for _, alert in real:
        found = photometry(alert.points)
        assert "unknown" not in found.band
        is_good = np.isfinite(found.flux_njy)
        assert (is_good == np.isfinite(found.flux_err_njy)).all()
        assert (found.flux_err_njy[is_good] > 0).all()
        kinds = np.array([point.kind for point in alert.points])
        assert not is_good[kinds == "limit"].any()
        assert not (found.limit_njy <= 0).any()


def test_the_sign_of_every_trigger_is_that_of_isdiffpos(real, index):
    told = {int(row["candid"]): row["isdiffpos"] in {"t", "1"} for row in index}
    signs = {alert.native: photometry([alert.trigger]).flux_njy[0] > 0 for _, alert in real}
    assert signs == told


def test_no_broker_column_becomes_a_value_of_the_alert_and_no_id_passes_through_a_float(real):
    for _, alert in real:
        assert not {"cdsxmatch", "roid", "tnsclass", "candid", "rf_kn_vs_nonkn"} & set(alert.values)
        assert isinstance(alert.native, int)
        assert all(isinstance(p.native, int) for p in alert.points if p.kind != "forced")
