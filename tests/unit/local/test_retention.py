"""What `skymesh store expire` is asked for, and what an expiry covers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymesh.errors import SettingsError
from skymesh.model.ids import digest_of
from skymesh.model.position import Position
from skymesh.model.retention import Expired
from skymesh.settings.retention import KEPT, RetentionSettings
from skymesh_local.retention import asked_of
from support.mesh import skymesh

NOW = datetime(2026, 6, 1, tzinfo=UTC)
OLD = NOW - timedelta(days=100)
KEEPING = RetentionSettings()
LOG = digest_of("log", 1)


def asked(*classes, run="", before=None, settings=KEEPING):
    return asked_of(classes, run, before, settings, NOW)


def test_settings_say_how_old_what_goes_is():
    found = asked(settings=RetentionSettings(journal_days=7, packets_days=30))
    assert found.before == {"journal": NOW - timedelta(days=7), "packets": NOW - timedelta(days=30)}
    assert found.why["journal"] == "SKYMESH_RETENTION_JOURNAL_DAYS=7"


def test_a_run_or_a_date_is_asked_for_whatever_settings_say():
    assert asked(run="night").before == {"decisions": NOW, "journal": NOW}
    assert asked("journal", run="night").before == {"journal": NOW}
    assert asked(before=OLD).before == dict.fromkeys(("packets", "decisions", "journal"), OLD)
    assert asked("packets", before=OLD).before == {"packets": OLD}


@pytest.mark.parametrize(
    "classes,more,problem",
    [
        *(((name,), {"before": OLD}, f"{name} is kept for ever: {why}") for name, why in KEPT.items()),
        (("stars",), {"before": OLD}, "no such class; there are: packets, "),
        (("packets",), {"run": "night"}, "the log's"),
        ((), {"run": "night", "before": OLD}, "either"),
        ((), {}, "SKYMESH_RETENTION_PACKETS_DAYS, SKYMESH_RETENTION_DECISIONS_DAYS"),
        (("journal",), {}, "SKYMESH_RETENTION_JOURNAL_DAYS"),
    ],
)
def test_what_does_not_go_is_refused_in_one_line(classes, more, problem):
    with pytest.raises(SettingsError) as caught:
        asked(*classes, **more)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


POSITIONS = st.builds(Position, st.integers(0, 1), st.integers(0, 2), st.integers(0, 20))


@given(ends=st.dictionaries(st.integers(0, 2), st.integers(1, 20)), place=POSITIONS)
def test_an_expiry_covers_what_lies_below_its_ends_partition_by_partition(ends, place):
    until = tuple(Position(1, number, end) for number, end in ends.items())
    is_below = place.epoch == 1 and place.offset < ends.get(place.partition, 0)
    assert Expired(LOG, "packets", "", until, "").covers(place) == (is_below or not until)


@pytest.mark.parametrize(
    "arguments,problem",
    [
        (("--before", "yesterday"), "--before yesterday: expected a date or time in ISO 8601"),
        (("--class", "results"), "--class results: the class results is kept for ever"),
        (("--before", "2026-01-01"), "there is no store at this place"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line(tmp_path, arguments, problem):
    done = skymesh("store", "expire", "--store", f"sqlite:{tmp_path / 'none.db'}", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert problem in done.stderr
    assert done.stderr.count("\n") == 1
