"""From a packet to an alert: a copy is the same measurement; association and the object make none."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymesh.errors import InvalidDataPointError
from skymesh.model.ids import digest_bytes
from skymesh.model.point import raw_values
from skymesh.surveys import registry
from skymesh.surveys.lsst.fields import DETECTION_FIELDS, HISTORY, history_tables
from skymesh.surveys.ztf.packet_schema import PACKET_SCHEMA
from skymesh_t1.muxing import mux
from support.lsst_packets import (
    MJD,
    OBJECT_ID,
    PUBLIC,
    SOURCE_ID,
    VERSIONS,
    VISIT,
    alert,
    container,
    dia_forced_source,
    dia_limit,
    dia_source,
    kind_of,
    points,
    record,
    schema,
)
from support.packets import ingested, shaped

ASSOCIATION = ("diaObjectId", "ssObjectId")
OBJECT = {"diaObjectId": OBJECT_ID, "ra": 150.0, "dec": 2.0, "nDiaSources": 7, "g_psfFluxMean": 6500.5}


def values_of(point):
    return registry.values_of(point, raw_values(point))


def test_the_trigger_comes_first_and_the_history_follows_in_the_packets_order():
    found = alert(
        version="7.4",
        history=[dia_source(day=-2), dia_source(day=-4)],
        forced=[dia_forced_source(day=-8)],
        limits=[dia_limit(day=-9)],
    )
    assert [(point.kind, point.native) for point in found.points] == [
        ("detection", SOURCE_ID),
        ("detection", SOURCE_ID - 2000),
        ("detection", SOURCE_ID - 4000),
        ("forced", SOURCE_ID + 500_000 - 8000),
        ("limit", 9_000_000 - 9000),
    ]
    assert [point.mjd_tai - MJD for point in found.points] == [0, -2, -4, -8, -9]
    assert {point.labels for point in found.points} == {("lsst_public",)}
    assert found.native == SOURCE_ID


@pytest.mark.parametrize("history", [None, []])
def test_a_packet_without_history_is_an_alert_of_one_point(history):
    assert len(alert(history=history, forced=history).points) == 1


def test_a_trigger_and_its_copy_in_a_later_history_are_one_point():
    trigger = dia_source(day=0.0)
    (first,) = points(trigger=trigger)
    copy = points(trigger=dia_source(day=2.0), history=[trigger])[1]
    assert copy == first


@given(st.sampled_from(ASSOCIATION), st.none() | st.integers(0, 2**63 - 1))
def test_association_makes_no_new_point(name, id_):
    trigger = dia_source(day=0.0)
    before, after = points(trigger=trigger)[0], points(trigger=trigger | {name: id_})[0]
    assert before == after


def test_an_object_of_a_forced_point_is_association_too():
    one, other = dia_forced_source(), dia_forced_source(diaObjectId=5)
    assert points(forced=[one])[1] == points(forced=[other])[1]


@pytest.mark.parametrize("name", DETECTION_FIELDS)
def test_any_other_value_of_a_source_changes_its_id(name):
    source = dia_source()
    changes = {"boolean": True, "string": "i", "int": 7, "long": 7, "double": 8.5, "float": 8.5}
    one, other = (
        points(version="11.1", history=[each])[1]
        for each in (source, source | {name: changes[kind_of(name)]})
    )
    assert one.key == other.key
    assert one.id != other.id


@pytest.mark.parametrize("name", ["raErr", "templateFlux", "trailRa", "reliability", "psfFluxErr"])
def test_nan_and_null_are_one(name):
    spellings = [points(history=[dia_source(**{name: value})])[1] for value in (math.nan, None)]
    assert len({point.id for point in spellings}) == 1
    assert name not in values_of(spellings[0])


def test_zero_is_a_value():
    point = points(history=[dia_source(psfFlux=0.0, reliability=0.0)])[1]
    assert values_of(point)["psfFlux"] == 0.0
    assert values_of(point)["reliability"] == 0.0


def test_a_source_without_parent_is_spelled_null_or_0():
    ids = {points(parentDiaSourceId=parent)[0].id for parent in (None, 0)}
    assert len(ids) == 1
    assert points(parentDiaSourceId=77)[0].id not in ids


def test_flags_and_reliability_are_kept():
    values = values_of(points(pixelFlags_cr=True, reliability=0.5)[0])
    assert values["pixelFlags_cr"] is True
    assert values["psfFlux_flag"] is False
    assert values["reliability"] == 0.5


def test_a_band_in_capitals_is_the_band():
    assert points(band="Y")[0].id == points(band="y")[0].id


def test_a_text_is_one_however_unicode_spells_it():
    one, other = (points(version="11.1", reliabilityVersion=v)[0] for v in ("mod\u00e8le", "mode\u0300le"))
    assert one.id == other.id


def test_fields_that_a_schema_does_not_have_yet_are_absent():
    new = dict.fromkeys(("exposureTime", "trailAlgorithm", "trail_flag", "reliabilityVersion"))
    values = {
        "trigger": dia_source(day=0.0, **new),
        "history": [dia_source(**new)],
        "forced": [dia_forced_source()],
    }
    assert points(version="10.0", **values) == points(version="11.1", **values)


def test_schema_7_calls_is_negative_otherwise():
    for is_negative in (True, False, None):
        assert values_of(points(version="7.4", isNegative=is_negative)[0]).get("isNegative") is is_negative
        history = [dia_source(isNegative=is_negative)]
        assert values_of(points(version="7.4", history=history)[1]).get("isNegative") is is_negative


@pytest.mark.parametrize("name", ["trigger", "history", "forced"])
def test_schema_8_tells_the_time_of_processing_in_utc(name):
    moments = {"timeProcessedMjdTai": datetime(2026, 3, 10, tzinfo=UTC)}
    found = points(
        version="8.0",
        trigger=dia_source(day=0.0, **moments),
        history=[dia_source(**moments)],
        forced=[dia_forced_source(**moments)],
    )[("trigger", "history", "forced").index(name)]
    assert found.processed_mjd_tai == pytest.approx(61109 + 37 / 86400, abs=1e-9)
    assert values_of(found)["timeProcessedMjdTai"] == found.processed_mjd_tai


def test_a_time_of_processing_before_there_were_any_is_none():
    values = {"timeProcessedMjdTai": datetime(1970, 1, 1, tzinfo=UTC)}
    assert points(version="8.0", trigger=dia_source(day=0.0, **values))[0].processed_mjd_tai == 0


def test_elasticc_calls_nearly_everything_otherwise():
    found = points(
        version="elasticc", visit=-1, history=[dia_source(visit=-1)], forced=[dia_forced_source(visit=-1)]
    )
    assert [point.exposure for point in found] == [None] * 3
    for point, source in zip(found, (dia_source(day=0.0), dia_source(), dia_forced_source()), strict=True):
        names = {"midpointMjdTai", "ra", "dec", "psfFlux", "psfFluxErr", "band"}
        assert {name: values_of(point)[name] for name in names} == {name: source[name] for name in names}


def test_a_point_that_is_withdrawn_takes_the_measurement_away():
    kept, taken = dia_source(day=-3), dia_source(day=-4)
    before = points(history=[kept, taken])
    after = points(day=0, history=[kept, taken | {"timeWithdrawnMjdTai": MJD + 1}], version="11.1")
    assert [point.is_withdrawn for point in after] == [False, False, True]
    (withdrawn,) = (point for point in after if point.is_withdrawn)
    assert withdrawn.key in {point.key for point in mux(before, PUBLIC)}
    assert withdrawn.key not in {point.key for point in mux((*before, *after), PUBLIC)}


@pytest.mark.parametrize("when", [None, math.nan])
def test_no_time_of_withdrawal_is_none(when):
    assert not points(version="11.1", timeWithdrawnMjdTai=when)[0].is_withdrawn


def test_of_two_versions_the_one_processed_later_is_in_force():
    early, late = dia_source(), dia_source(psfFlux=7100.0, timeProcessedMjdTai=MJD + 8)
    for order in ((early, late), (late, early)):
        (found,) = (p for p in mux(points(history=order), PUBLIC) if p.native == early["diaSourceId"])
        assert values_of(found)["psfFlux"] == 7100.0


@pytest.mark.parametrize("step", [-1, 1])
def test_an_image_processed_again_is_one_look_whatever_the_new_source_is_numbered(step):
    early = dia_source()
    late = early | {"diaSourceId": early["diaSourceId"] + step, "psfFlux": 7001.0, "timeProcessedMjdTai": MJD}
    found = mux(points(history=[early, late]), PUBLIC)
    assert [point.native for point in found] == [late["diaSourceId"], SOURCE_ID]


def test_forced_photometry_and_a_source_of_one_image_are_two_measurements_of_one_exposure():
    source, forced = dia_source(), dia_forced_source(visit=VISIT - 3000)
    found = points(history=[source], forced=[forced])
    assert found[1].exposure == found[2].exposure == (float(VISIT - 3000), 42)
    assert len(mux(found, PUBLIC)) == 3


def test_the_objects_record_is_an_aggregate_and_makes_no_point():
    """AMPEL made a new datapoint of the object with each alert, since its number of sources grew."""
    one, other = (alert(dia_object=OBJECT | {"nDiaSources": number}) for number in (7, 8))
    assert one.points == other.points
    assert one.aggregates["diaObject.nDiaSources"] == 7
    assert other.aggregates["diaObject.nDiaSources"] == 8
    assert one.aggregates["diaObject.g_psfFluxMean"] == 6500.5
    assert "diaObject.diaObjectId" not in one.aggregates
    assert one.record != other.record


def test_what_the_packet_says_of_a_solar_system_object_is_of_the_alert():
    found = alert(
        diaObjectId=0,
        ssObjectId=21163633152112203,
        ss_source={"designation": "2026 AB1", "ssObjectId": 5, "eclLambda": 170.5},
        orbit={"designation": "2026 AB1", "e": 0.25, "mpc_orb_jsonb": "{}"},
    )
    assert found.values == {
        "observation_reason": "ddf_synthetic",
        "ssSource.designation": "2026 AB1",
        "ssSource.eclLambda": 170.5,
        "mpc_orbits.designation": "2026 AB1",
        "mpc_orbits.e": 0.25,
    }
    assert found.attributes == {"designation": "2026 AB1"}
    assert alert().attributes == {}


def test_the_image_stamps_are_shed_under_their_digest():
    made = shaped(container([record(cutouts=True)]))
    assert made.alert.cutouts == digest_bytes("cutout", made.cutouts)
    assert all(name in made.cutouts for name in (b"science", b"template", b"difference", b"SIMPLE  = "))
    assert alert(cutouts=False).cutouts is None


def test_the_alert_is_its_diasource_whatever_the_top_of_the_packet_says():
    made = record()
    one, other = (shaped(container([made | {"diaSourceId": id_}])).alert for id_ in (SOURCE_ID, 1231321321))
    assert one.id == other.id
    assert one.native == other.native == SOURCE_ID
    assert one.record != other.record


def test_a_new_association_is_another_record_of_the_same_alert():
    one, other = alert(ssObjectId=None), alert(ssObjectId=0)
    assert one.id == other.id
    assert one.record != other.record


@pytest.mark.parametrize(
    "values, words",
    [
        ({"diaSourceId": 0}, "id"),
        ({"diaSourceId": -5}, "id"),
        ({"ra": math.nan}, "position"),
        ({"ra": None}, "position"),
        ({"ra": 360.5}, "position"),
        ({"dec": -90.5}, "position"),
        ({"midpointMjdTai": math.nan}, "midpointMjdTai"),
        ({"midpointMjdTai": math.inf}, "midpointMjdTai"),
        ({"midpointMjdTai": None}, "midpointMjdTai"),
        ({"history": [dia_source(diaSourceId=0)]}, "id"),
        ({"history": [dia_source(midpointMjdTai=math.nan)]}, "midpointMjdTai"),
        ({"forced": [dia_forced_source(diaForcedSourceId=0)]}, "id"),
        ({"forced": [dia_forced_source(midpointMjdTai=None)]}, "midpointMjdTai"),
        ({"limits": [dia_limit(ccdVisitId=None)], "version": "7.4"}, "id"),
        ({"limits": [dia_limit(midpointMjdTai=None)], "version": "7.4"}, "midpointMjdTai"),
    ],
)
def test_a_measurement_without_id_time_or_place_is_rejected(values, words):
    with pytest.raises(InvalidDataPointError, match=words):
        alert(**values)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_history_of_every_version_is_read_in_the_order_of_the_field_lists(version):
    tables = dict(history_tables(schema(version)))
    assert set(tables) == set(HISTORY) - (
        set() if version in {"7.4", "elasticc"} else {"prvDiaNondetectionLimits"}
    )
    for name, columns in tables.items():
        assert len(columns) == len(HISTORY[name])
        assert len(set(columns)) == len(columns)


def test_a_schema_of_another_survey_is_not_taken():
    assert history_tables(PACKET_SCHEMA) is None
    for other in ("string", {"type": "record", "name": "x", "fields": []}, None):
        assert history_tables(other) is None
    lacking = schema("10.0")
    lacking["fields"] = [field for field in lacking["fields"] if field["name"] != "diaSource"]
    assert history_tables(lacking) is None


def test_packets_of_several_versions_follow_each_other():
    made = [item for version in VERSIONS for item in ingested(container([record(trigger=_source(version))],
                                                                        version=version))]  # fmt: skip
    assert {item.id for item in made} == {alert().id}


def _source(version):
    moment = {"timeProcessedMjdTai": datetime(2026, 3, 10, tzinfo=UTC)} if version == "8.0" else {}
    return dia_source(day=0.0, **moment)
