"""Names of objects, AMPEL's ids of them, and the labels of programmes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymesh.errors import InvalidDataPointError
from skymesh.model.run import DeadLetter
from skymesh.surveys.ztf import Ztf
from skymesh.surveys.ztf.names import ampel_id, object_id_of, stock_of
from skymesh.surveys.ztf.rights import LABELS, labels_of
from support.packets import alert, detection, ingested, limit, packet

GOLDEN = {
    "ZTF17aaaaaaa": 0,
    "ZTF17aaaaaab": 16,
    "ZTF18aaaaaaa": 1,
    "ZTF18abmjvpb": 280605745,
    "ZTF19aapreis": 114501794,
    "ZTF21aajxjrv": 72377268,
    "ZTF20abyfpze": 367159587,
    "ZTF18abxhyqv": 360504273,
    "ZTF32zzzzzzz": 128508962815,
}
LABEL_OF = {1: "ztf_public", 2: "ztf_private", 3: "ztf_caltech", 0: "ztf_engineering"}
LETTERS = st.text("abcdefghijklmnopqrstuvwxyz", min_size=7, max_size=7)


@pytest.mark.parametrize("name, number", GOLDEN.items())
def test_ampels_integer_ids_are_the_known_ones(name, number):
    assert ampel_id(name) == number
    assert object_id_of(number) == name
    assert alert(object_id=name).attributes == {"ampel_stock": number}


@given(st.integers(17, 32), LETTERS)
def test_every_name_comes_back_from_its_integer(year, letters):
    name = f"ZTF{year}{letters}"
    assert object_id_of(ampel_id(name)) == name


@pytest.mark.parametrize(
    "name",
    [
        "ZTF16aaaaaaa",
        "ZTF33aaaaaaa",
        "ZTF18aaaaaa",
        "ZTF18aaaaaaaa",
        "ZTF18Aaaaaaa",
        "ztf18aaaaaaa",
        "SN2021rhu",
    ],
)
def test_a_name_that_ampel_does_not_cover_has_no_integer_and_is_a_stock_all_the_same(name):
    assert ampel_id(name) is None
    made = alert(object_id=name)
    assert made.attributes == {}
    assert made.stock == stock_of(name) == f"ztf:{name}"


@pytest.mark.parametrize("programid, label", LABEL_OF.items())
def test_a_point_carries_the_label_of_its_own_programme(programid, label):
    history = [detection(programid=programid), limit(programid=programid)]
    found = alert(programid=1, history=history)
    assert [point.labels for point in found.points] == [("ztf_public",), (label,), (label,)]


def test_the_survey_names_all_labels():
    assert frozenset(LABEL_OF.values()) == LABELS == Ztf().labels


@pytest.mark.parametrize("programid", [4, -1, None, "1", 1.5, [1]])
def test_an_unknown_programme_has_no_labels(programid):
    with pytest.raises(InvalidDataPointError):
        labels_of(programid)


@pytest.mark.parametrize("where", ["trigger", "history"])
def test_a_packet_with_a_point_of_an_unknown_programme_is_rejected(where):
    values = {"programid": 7} if where == "trigger" else {"history": [limit(programid=7)]}
    (item,) = ingested(packet(**values))
    assert isinstance(item, DeadLetter)
    assert item.code == InvalidDataPointError.code
    assert "programid 7" in item.reason
