"""The table of a run's objects: the same rows as CSV and ECSV."""

from __future__ import annotations

import csv
import io
import math

import numpy as np
import pytest
from astropy.table import Table

from skymesh.units import ObjectView
from skymesh_t3.units.candidate_table import CandidateTable


def view(number, results, channel="j/c"):
    return ObjectView(
        channel=channel,
        stock=f"ztf:ZTF21{number:07d}",
        alert=f"alert:{number:032x}",
        state=f"state:{number:032x}",
        results=results,
        result_ids=dict.fromkeys(results, f"result:{number:032x}"),
    )


VIEWS = [
    view(1, {"decline": {"fast": False, "rate_mag_per_day": {"ztfg": 0.05}, "n": 3}}),
    view(2, {"decline": {"fast": True, "rate_mag_per_day": {"ztfg": 0.1, "ztfr": -0.5}, "n": 2**60 + 1}}),
    view(
        3,
        {"summary": {"ra_deg": 1 / 3, "bands": ("ztfg", "ztfr"), "newest_mag_ab": None, "note": 'a,"b"\nc'}},
    ),
    view(4, {"decline": {"fast": True, "rate_mag_per_day": {}, "n": 0}, "summary": {"ra_deg": math.nan}}),
]


def files(views, **config):
    return {file.name: b"".join(file.content) for file in CandidateTable(**config).summarise("table", views)}


def rows(data):
    lines = [line for line in data.decode().splitlines(keepends=True) if not line.startswith("#")]
    return list(csv.DictReader(io.StringIO("".join(lines), newline="")))


def test_csv_and_ecsv_have_the_same_rows():
    made = files(VIEWS)
    assert set(made) == {"table.csv", "table.ecsv"}
    assert rows(made["table.csv"]) == rows(made["table.ecsv"])
    assert made["table.ecsv"].endswith(made["table.csv"])


def test_one_row_per_object_with_ids_first_and_absent_values_empty():
    told = rows(files(VIEWS)["table.csv"])
    assert len(told) == 4
    assert list(told[0])[:4] == ["stock", "channel", "alert", "state"]
    assert told[0]["decline.fast"] == "False"
    assert told[0]["decline.rate_mag_per_day.ztfr"] == ""
    assert told[1]["decline.n"] == str(2**60 + 1)
    assert float(told[2]["summary.ra_deg"]) == 1 / 3
    assert told[2]["summary.bands"] == "ztfg ztfr"
    assert told[2]["summary.note"] == 'a,"b"\nc'
    assert told[3]["summary.ra_deg"] == ""
    assert told[3]["decline.result"] == f"result:{4:032x}"


def test_astropy_reads_the_ecsv_with_types_and_units():
    table = Table.read(io.BytesIO(files(VIEWS)["table.ecsv"]), format="ascii.ecsv")
    assert len(table) == 4
    assert table["decline.fast"].dtype == bool
    assert table["decline.n"].dtype == np.int64
    assert table["decline.n"][1] == 2**60 + 1
    assert table["summary.ra_deg"].unit == "deg"
    assert table["summary.ra_deg"][2] == 1 / 3
    assert table["summary.ra_deg"].mask.tolist() == [True, True, False, True]
    assert table["stock"][0] == "ztf:ZTF210000001"
    assert table["summary.note"][2] == 'a,"b"\nc'


def test_a_rate_by_band_has_its_unit():
    table = Table.read(io.BytesIO(files(VIEWS)["table.ecsv"]), format="ascii.ecsv")
    assert str(table["decline.rate_mag_per_day.ztfg"].unit) == "mag / d"


def test_first_puts_objects_for_which_it_is_true_before_the_others():
    assert [row["stock"][-1] for row in rows(files(VIEWS)["table.csv"])] == list("1234")
    made = files(VIEWS, first="decline.fast")
    assert [row["stock"][-1] for row in rows(made["table.csv"])] == list("2413")
    assert rows(made["table.csv"]) == rows(made["table.ecsv"])


def test_a_column_of_integers_and_floats_is_one_of_floats_and_any_other_mixture_is_text():
    views = [view(1, {"a": {"x": 1, "y": 1}}), view(2, {"a": {"x": 0.5, "y": "two"}})]
    table = Table.read(io.BytesIO(files(views)["table.ecsv"]), format="ascii.ecsv")
    assert table["a.x"].dtype == np.float64
    assert table["a.x"].tolist() == [1.0, 0.5]
    assert table["a.y"].tolist() == ["1", "two"]


@pytest.mark.parametrize("first", ["", "decline.fast"])
def test_without_objects_there_is_a_header(first):
    made = files([], first=first)
    assert made["table.csv"] == b"stock,channel,alert,state\n"
    table = Table.read(io.BytesIO(made["table.ecsv"]), format="ascii.ecsv")
    assert len(table) == 0


def test_a_large_table_comes_in_pieces_that_join_to_all_rows():
    views = [view(number, {"a": {"x": float(number)}}) for number in range(2000)]
    csv_file = next(iter(CandidateTable().summarise("table", views)))
    pieces = list(csv_file.content)
    assert len(pieces) > 2
    assert [float(row["a.x"]) for row in rows(b"".join(pieces))] == [float(number) for number in range(2000)]


def test_a_formula_is_text_for_every_reader():
    made = files([view(1, {"a": {"x": "=1+1"}})])
    assert rows(made["table.csv"])[0]["a.x"].lstrip("'") == "=1+1"


def test_chosen_columns_stand_behind_the_ids_in_their_order():
    made = files(VIEWS, columns=("summary.ra_deg", "decline.fast", "stock", "no.such"), first="decline.n")
    told = rows(made["table.csv"])
    ids = ["stock", "channel", "alert", "state"]
    assert list(told[0]) == [*ids, "summary.ra_deg", "decline.fast", "no.such"]
    assert {row["no.such"] for row in told} == {""}
    assert [row["decline.fast"] for row in told] == ["False", "True", "", "True"]
    table = Table.read(io.BytesIO(made["table.ecsv"]), format="ascii.ecsv")
    assert table["summary.ra_deg"].unit == "deg"
    assert table["decline.fast"].dtype == bool
    assert table["no.such"].mask.all()


def test_only_objects_of_which_a_column_is_true_have_a_row():
    made = files(VIEWS, only="decline.fast")
    assert [row["stock"][-1] for row in rows(made["table.csv"])] == list("24")
    assert "summary.note" not in rows(made["table.csv"])[0]
    assert rows(made["table.csv"]) == rows(made["table.ecsv"])
    assert rows(files(VIEWS, only="no.such")["table.csv"]) == []
