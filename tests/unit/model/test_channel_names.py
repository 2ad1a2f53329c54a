"""A record knows the channels that it is for, each once, in however many runs and states it occurs."""

from __future__ import annotations

from skymesh.model.execution import SettledResult
from skymesh.model.ids import digest_of
from skymesh.model.position import Position
from skymesh.model.records import Accepted, Completed, Reached, ReachedState, Times

RUNS = [digest_of("run", number) for number in range(2)]
STATES = [digest_of("state", number) for number in range(2)]
PLACE = (Position(0, 0, 7), "ztf:ZTF21aaaaaaa", digest_of("alert", 1))
TIMES = Times(0, 61000.0)
EXPECTED = {"job/a", "job/b", "other/a"}


def test_of_an_accepted_alert():
    channels = {RUNS[0]: ("job/a", "job/b"), RUNS[1]: ("job/a", "other/a")}
    assert Accepted(*PLACE, channels, TIMES).channel_names == EXPECTED
    assert Accepted(*PLACE, {}, TIMES).channel_names == set()


def test_of_reached_states():
    states = (
        ReachedState(STATES[0], (), {RUNS[0]: ("job/a",), RUNS[1]: ("job/a", "other/a")}),
        ReachedState(STATES[1], (), {RUNS[0]: ("job/b", "job/a")}),
    )
    assert Reached(*PLACE, None, (), states, TIMES).channel_names == EXPECTED


def test_of_results():
    told = {"decline": SettledResult(digest_of("result", 1), "ok", digest_of("digest", 1), False)}
    by_state = dict.fromkeys(STATES, told)
    results = {RUNS[0]: {"job/a": by_state, "job/b": by_state}, RUNS[1]: {"job/a": by_state, "other/a": {}}}
    assert Completed(*PLACE, results, TIMES).channel_names == EXPECTED
