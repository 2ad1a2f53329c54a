"""Real containers are read as fastavro reads them."""

from __future__ import annotations

import io
import math

import fastavro
import pytest

from skymesh.codecs.avro import iter_records
from skymesh.codecs.avro_decoder import compile_decoder
from skymesh.surveys.lsst.fields import HISTORY
from skymesh.surveys.lsst.fields import history_tables as lsst_tables
from skymesh.surveys.ztf.fields import HISTORY_COLUMNS, history_tables


def same(one, other):
    if isinstance(one, float) and math.isnan(one):
        return isinstance(other, float) and math.isnan(other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


def containers(shared_data):
    paths = sorted(path for path in shared_data.rglob("*.avro") if path.read_bytes()[:4] == b"Obj\x01")
    assert len(paths) > 180
    return paths


@pytest.mark.shared_data
def test_every_real_record_of_every_survey_equals_that_of_fastavro(shared_data):
    count = 0
    for path in containers(shared_data):
        data = path.read_bytes()
        theirs = fastavro.reader(io.BytesIO(data))
        for ours, expected in zip(iter_records(data, lambda _: ()), theirs, strict=True):
            assert same(ours.value, expected), f"{path.name} {ours[0]}"
            count += 1
    assert count > 560


@pytest.mark.shared_data
def test_every_real_history_row_holds_the_columns_asked_for(shared_data):
    rows = 0
    for path in sorted((shared_data / "ztf").rglob("*.avro")):
        data = path.read_bytes()
        theirs = fastavro.reader(io.BytesIO(data))
        items = iter_records(data, lambda header: history_tables(header.schema) or ())
        for ours, expected in zip(items, theirs, strict=True):
            history = expected.get("prv_candidates") or []
            found = ours.value.get("prv_candidates") or []
            wanted = [tuple(row.get(name) for name in HISTORY_COLUMNS) for row in history]
            assert same(list(found), wanted), f"{path.name} {ours[0]}"
            rows += len(wanted)
    assert rows > 5000


@pytest.mark.shared_data
def test_every_real_row_of_rubins_histories_holds_the_columns_asked_for_by_a_compiled_decoder(shared_data):
    rows = 0
    for path in sorted((shared_data / "lsst" / "real_native").glob("*.avro")):
        data = path.read_bytes()
        theirs = fastavro.reader(io.BytesIO(data))
        assert compile_decoder(theirs.writer_schema) is not None
        items = iter_records(data, lambda header: lsst_tables(header.schema) or ())
        for ours, expected in zip(items, theirs, strict=True):
            for name in ("prvDiaSources", "prvDiaForcedSources"):
                wanted = [tuple(row.get(column) for column in HISTORY[name]) for row in expected[name] or []]
                assert same(list(ours.value[name] or []), wanted), f"{path.name} {ours[0]}"
                rows += len(wanted)
    assert rows > 70_000
