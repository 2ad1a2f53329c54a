"""What an alert is about, and who may see it."""

from __future__ import annotations

import pytest

from skymesh.surveys import registry
from skymesh.surveys.lsst import Lsst
from skymesh.surveys.lsst.names import designation_of, stock_of
from skymesh.surveys.survey import FramedSurvey
from support.lsst_packets import OBJECT_ID, SOURCE_ID, alert, dia_forced_source, dia_limit, dia_source

SSO = 21163633152112203


@pytest.mark.parametrize("absent", [None, 0, -1])
def test_the_stock_is_the_object_else_the_solar_system_object_else_the_source(absent):
    assert alert().stock == f"lsst:{OBJECT_ID}"
    assert alert(ssObjectId=absent).stock == f"lsst:{OBJECT_ID}"
    assert alert(diaObjectId=absent, ssObjectId=SSO).stock == f"sso:{SSO}"
    assert alert(diaObjectId=absent, ssObjectId=absent).stock == f"src:{SOURCE_ID}"


def test_an_id_that_a_broker_spoilt_in_the_objects_record_does_no_harm():
    spoilt = {"diaObjectId": int(float(OBJECT_ID)), "ra": 150.0, "dec": 2.0}
    assert spoilt["diaObjectId"] != OBJECT_ID
    assert alert(dia_object=spoilt).stock == f"lsst:{OBJECT_ID}"
    assert alert(dia_object=None).stock == f"lsst:{OBJECT_ID}"


def test_an_id_never_passes_through_a_float():
    assert stock_of({"diaObjectId": 2**63 - 1, "diaSourceId": 1}) == "lsst:9223372036854775807"


def test_a_designation_comes_from_whichever_record_has_it():
    assert designation_of({"ssSource": None, "mpc_orbits": {"designation": "2026 AB1"}}) == "2026 AB1"
    assert designation_of({"MPCORB": {"mpcDesignation": "K26A01B"}}) == "K26A01B"
    assert designation_of({"ssSource": {"designation": None}, "mpc_orbits": None}) is None


def test_every_point_is_public():
    found = alert(version="7.4", history=[dia_source()], forced=[dia_forced_source()], limits=[dia_limit()])
    assert {point.labels for point in found.points} == {("lsst_public",)}
    assert Lsst().labels == {"lsst_public"}


def test_it_is_installed_and_says_that_it_sends_messages():
    survey = registry.get("lsst")
    assert isinstance(survey, Lsst)
    assert survey.time_of == "middle"
    assert registry.framed() == (survey,)
    assert not isinstance(registry.get("ztf"), FramedSurvey)
