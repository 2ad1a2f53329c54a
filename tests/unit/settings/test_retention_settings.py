"""How long a store keeps what it may forget: for ever, unless it is told, and some of it always."""

from __future__ import annotations

import pytest

from skymesh.errors import SettingsError
from skymesh.settings.environment import from_environment
from skymesh.settings.retention import EXPIRING, KEPT, RetentionSettings
from skymesh.store.tables import STAMPS, TABLES


def test_all_is_kept_for_ever_unless_told():
    settings = from_environment(RetentionSettings)
    assert {settings.days(name) for name in (*EXPIRING, *KEPT)} == {0}


def test_every_table_is_of_a_class_that_has_a_setting():
    classes = {table.retention for table in (*TABLES.values(), STAMPS)}
    assert classes == {*EXPIRING, *KEPT}


@pytest.mark.parametrize("name", EXPIRING)
def test_what_may_expire_takes_whole_days(monkeypatch, name):
    variable = f"SKYMESH_RETENTION_{name.upper()}_DAYS"
    monkeypatch.setenv(variable, "30")
    assert from_environment(RetentionSettings).days(name) == 30
    for wrong in ("-1", "soon"):
        monkeypatch.setenv(variable, wrong)
        with pytest.raises(SettingsError, match=variable):
            from_environment(RetentionSettings)


@pytest.mark.parametrize("name", KEPT)
def test_what_is_kept_for_ever_says_why(monkeypatch, name):
    variable = f"SKYMESH_RETENTION_{name.upper()}_DAYS"
    monkeypatch.setenv(variable, "30")
    with pytest.raises(SettingsError) as caught:
        from_environment(RetentionSettings)
    assert str(caught.value) == f"{variable}: the class {name} is kept for ever: {KEPT[name]}"
    monkeypatch.setenv(variable, "0")
    assert from_environment(RetentionSettings).days(name) == 0
