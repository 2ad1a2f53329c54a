"""From a packet to an alert: spelling does not matter, nonsense is rejected, brokers add nothing to ids."""

from __future__ import annotations

import math

import pytest

from skymesh.errors import InvalidDataPointError
from skymesh.model.alert import Source
from skymesh.model.point import raw_values
from skymesh.surveys.ztf import Ztf
from skymesh.surveys.ztf.fields import AGGREGATES, FIELDS, FORCED_FIELDS, HISTORY_COLUMNS
from skymesh.surveys.ztf.shaper import shape
from support.packets import (
    JD,
    OBJECT,
    alert,
    as_history,
    candid_of,
    candidate,
    detection,
    forced,
    limit,
    packet,
    pid_of,
    points,
    record,
    shaped,
)

SOURCE = Source("made by hand", 0)


def rows(entries, columns):
    return None if entries is None else [tuple(entry.get(name) for name in columns) for entry in entries]


def shape_record(**values):
    """Shape a decoded packet without the detour over Avro, so that values no schema allows can be tried."""
    made = record(**values)
    made["prv_candidates"] = rows(made["prv_candidates"], HISTORY_COLUMNS)
    made["fp_hists"] = rows(made["fp_hists"], FORCED_FIELDS)
    return made


def test_the_trigger_comes_first_and_the_history_follows_in_the_packets_order():
    history = [limit(jd_utc=JD - 9), detection(jd_utc=JD - 2), detection(jd_utc=JD - 4)]
    found = alert(history=history, forced=[forced(jd_utc=JD - 8)])
    assert [point.kind for point in found.points] == [
        "detection",
        "limit",
        "detection",
        "detection",
        "forced",
    ]
    assert [point.native for point in found.points] == [
        candid_of(JD, 28),
        pid_of(JD - 9, 28),
        candid_of(JD - 2, 28),
        candid_of(JD - 4, 28),
        f"{OBJECT}/{pid_of(JD - 8, 28)}",
    ]
    assert found.trigger.is_triggering
    assert not any(point.is_triggering for point in found.points[1:])


@pytest.mark.parametrize("history", [None, []])
def test_a_packet_without_history_is_an_alert_of_one_point(history):
    assert len(alert(history=history).points) == 1


@pytest.mark.parametrize("one, other", [("t", "1"), ("f", "0")])
def test_both_spellings_of_isdiffpos_are_one(one, other):
    assert points(isdiffpos=one)[0].id == points(isdiffpos=other)[0].id
    assert (
        points(history=[detection(isdiffpos=one)])[1].id == points(history=[detection(isdiffpos=other)])[1].id
    )


def test_the_sign_is_part_of_the_measurement():
    assert points(isdiffpos="t")[0].id != points(isdiffpos="f")[0].id


@pytest.mark.parametrize("isdiffpos", ["true", "", "T", "2"])
def test_another_spelling_of_isdiffpos_is_rejected(isdiffpos):
    with pytest.raises(InvalidDataPointError, match="isdiffpos"):
        shaped(packet(isdiffpos=isdiffpos))


@pytest.mark.parametrize("name", ["ssdistnr", "distnr", "magnr", "rb", "nneg", "scorr"])
def test_minus_999_and_nan_and_null_are_one(name):
    spellings = [-999, None] if name == "nneg" else [-999.0, math.nan, None]
    for build in (
        lambda value: points(**{name: value})[0],
        lambda v: points(history=[detection(**{name: v})])[1],
    ):
        assert len({build(value).id for value in spellings}) == 1
        assert build(None).id != build(1).id


def test_absent_values_are_none_in_the_raw_values():
    point = points(history=[detection(distnr=-999.0, magnr=math.nan, rb=None)])[1]
    values = dict(zip(FIELDS["detection"], raw_values(point), strict=True))
    assert (values["distnr"], values["magnr"], values["rb"]) == (None, None, None)
    assert values["isdiffpos"] is True


def test_what_a_broker_adds_changes_the_record_but_no_id_of_alert_or_point():
    plain = shape(shape_record(history=[detection()]), SOURCE).alert
    extra = shape_record(history=[detection()]) | {
        "cdsxmatch": "Star",
        "rf_kn": 0.5,
        "roid": 3,
        "t": object(),
    }
    broker = shape(extra, SOURCE).alert
    assert broker.id == plain.id
    assert broker.points == plain.points
    assert broker.values == plain.values
    assert broker.record != plain.record


def test_file_and_number_of_the_record_enter_no_id():
    one = shape(shape_record(), Source("a.avro", 0)).alert
    other = shape(shape_record(), Source("b.avro", 7)).alert
    assert (one.id, one.record) == (other.id, other.record)


def test_a_candid_at_the_top_may_be_missing():
    made = shape_record()
    del made["candid"]
    assert shape(made, SOURCE).alert.native == candid_of(JD, 28)


def test_two_candids_that_contradict_each_other_are_rejected():
    with pytest.raises(InvalidDataPointError, match="candid"):
        shape(shape_record() | {"candid": 42}, SOURCE)


@pytest.mark.parametrize("candid", [None, 0, -1, 1.5, "123"])
def test_no_usable_candid_is_rejected(candid):
    made = shape_record()
    made["candid"] = made["candidate"]["candid"] = candid
    with pytest.raises(InvalidDataPointError):
        shape(made, SOURCE)


@pytest.mark.parametrize("object_id", [None, "", "ZTF 18abc", "a\nb", 17])
def test_no_usable_object_name_is_rejected(object_id):
    with pytest.raises(InvalidDataPointError):
        shape(shape_record() | {"objectId": object_id}, SOURCE)


@pytest.mark.parametrize("jd", [math.nan, math.inf, -math.inf, None, 0.0, 2441317.4])
@pytest.mark.parametrize("where", ["trigger", "detection", "limit", "forced"])
def test_a_point_without_usable_time_is_rejected(jd, where):
    made = {
        "trigger": lambda: {"trigger": candidate() | {"jd": jd}},
        "detection": lambda: {"history": [detection() | {"jd": jd}]},
        "limit": lambda: {"history": [limit() | {"jd": jd}]},
        "forced": lambda: {"forced": [forced() | {"jd": jd}]},
    }[where]()
    with pytest.raises(InvalidDataPointError):
        shape(shape_record(**made), SOURCE)


@pytest.mark.parametrize("ra", [None, math.nan, math.inf, -0.1, 360.1, -999.0])
def test_a_trigger_without_right_ascension_is_rejected(ra):
    with pytest.raises(InvalidDataPointError, match="position"):
        shape(shape_record(ra=ra), SOURCE)


@pytest.mark.parametrize("dec", [None, math.nan, -math.inf, -90.1, 90.1])
def test_a_trigger_without_declination_is_rejected(dec):
    with pytest.raises(InvalidDataPointError, match="position"):
        shape(shape_record(dec=dec), SOURCE)


@pytest.mark.parametrize("entry", [limit(pid=None), forced(pid=None)], ids=["limit", "forced"])
def test_a_point_without_its_native_id_is_rejected(entry):
    key = "forced" if "forcediffimflux" in entry else "history"
    with pytest.raises(InvalidDataPointError, match="pid"):
        shape(shape_record(**{key: [entry]}), SOURCE)


def test_values_of_the_trigger_alone_belong_to_the_alert_and_not_to_the_point():
    one, other = alert(drb=0.5), alert(drb=0.75)
    assert one.trigger == other.trigger
    assert one.values["drb"] == 0.5
    assert one.record != other.record
    assert not {"candid", "objectId", "tblid", "magpsf", "jd"} & set(one.values)


def test_absent_values_of_the_trigger_are_left_out():
    values = alert(sgscore1=-999.0, distpsnr1=None, drb=math.nan).values
    assert not {"sgscore1", "distpsnr1", "drb"} & set(values)


def test_numbers_over_the_whole_history_stand_apart():
    found = alert(ndethist=7)
    assert set(found.aggregates) == set(AGGREGATES)
    assert found.aggregates["ndethist"] == 7
    assert not set(AGGREGATES) & set(found.values)


def test_a_trigger_and_its_copy_in_a_later_history_are_one_measurement_in_one_exposure():
    trigger = candidate()
    first, copy = points(trigger=trigger)[0], points(jd_utc=JD + 1, history=[as_history(trigger)])[1]
    assert (first.key, first.exposure) == (copy.key, copy.exposure)
    assert first.id != copy.id


def test_a_detection_without_readout_channel_has_no_exposure():
    assert points(history=[detection(rcid=None)])[1].exposure is None


def test_cutouts_are_shed_under_their_digest():
    with_stamps = shaped(packet(cutouts=True))
    assert with_stamps.alert.cutouts is not None
    assert b"Science" in with_stamps.cutouts
    assert shaped(packet()).cutouts is None
    assert with_stamps.alert.record != shaped(packet()).alert.record


def test_the_survey_says_what_its_times_are():
    survey = Ztf()
    assert (survey.name, survey.time_of) == ("ztf", "start")
    assert points()[0].mjd_tai == pytest.approx(JD - 2400000.5 + 37 / 86400, abs=1e-10)
