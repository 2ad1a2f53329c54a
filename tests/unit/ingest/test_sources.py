"""The settings of surveys' own brokers: each under its survey's name, none mixed up with the mesh's."""

from __future__ import annotations

import pytest

from skymesh.errors import SettingsError
from skymesh_ingest.sources import broker_settings

ZTF = {"SKYMESH_ZTF_KAFKA": "ztf:9092", "SKYMESH_ZTF_TOPICS": r"^ztf_\d{8}_programid1$"}


@pytest.fixture
def environment(monkeypatch):
    """Set variables; the mesh's own are there too."""

    def name(**variables):
        mesh = {"SKYMESH_KAFKA": "mesh:1", "SKYMESH_KAFKA_USER": "us", "SKYMESH_KAFKA_PASSWORD": "our-secret"}
        for key, value in {**mesh, **variables}.items():
            monkeypatch.setenv(key, value)

    return name


def test_without_settings_there_is_no_broker_of_a_survey(environment):
    environment()
    assert broker_settings() == []


def test_a_broker_has_an_address_a_pattern_and_credentials_of_its_own(environment):
    environment(
        **ZTF,
        SKYMESH_ZTF_GROUP="partner-7",
        SKYMESH_ZTF_KAFKA_USER="them",
        SKYMESH_ZTF_KAFKA_PASSWORD="theirs",
    )
    (broker,) = broker_settings()
    assert (broker.survey, broker.group) == ("ztf", "partner-7")
    assert (broker.kafka.servers, broker.kafka.user, broker.kafka.secret()) == ("ztf:9092", "them", "theirs")
    assert broker.topics.match("ztf_20260101_programid1")
    assert not broker.topics.match("ztf_20260101_programid2")


def test_the_meshs_credentials_are_never_shown_to_a_survey(environment):
    environment(**ZTF)
    (broker,) = broker_settings()
    assert (broker.kafka.user, broker.kafka.secret()) == ("", None)


@pytest.mark.parametrize(
    "variables, where",
    [
        ({"SKYMESH_ZTF_KAFKA": "ztf:9092"}, "SKYMESH_ZTF_TOPICS"),
        ({"SKYMESH_ZTF_TOPICS": "^ztf"}, "SKYMESH_ZTF_KAFKA"),
        ({"SKYMESH_LSST_GROUP": "g"}, "SKYMESH_LSST_KAFKA"),
        (ZTF | {"SKYMESH_ZTF_TOPICS": "ztf_(["}, "SKYMESH_ZTF_TOPICS"),
        (ZTF | {"SKYMESH_ZTF_KAFKA": "no address"}, "SKYMESH_ZTF_KAFKA"),
        (ZTF | {"SKYMESH_ZTF_KAFKA_TIMEOUT_S": "-1"}, "SKYMESH_ZTF_KAFKA_TIMEOUT_S"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_variable(environment, variables, where):
    environment(**variables)
    with pytest.raises(SettingsError) as told:
        broker_settings()
    assert told.value.where == where
    assert "\n" not in str(told.value)
    assert "our-secret" not in str(told.value)
