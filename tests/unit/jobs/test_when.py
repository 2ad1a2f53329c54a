"""Conditions: a safe language in which what is not known is never met, and nothing is ever executed."""

from __future__ import annotations

import builtins
import string
from typing import Any, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from skymesh.errors import SettingsError
from skymesh.jobs.when import ALWAYS, Condition
from skymesh.units import Result


class Part(Result):
    depth: float | None


class Decline(Result):
    fast: bool
    rate: dict[str, float]
    fastest: float | None
    bands: tuple[str, ...]
    part: Part
    band: str
    kind: Literal["Ia", "II"]
    either: float | str | None
    loose: Any


MAKES = {"decline": Decline, "other": Decline}
CONTENT = {
    "fast": True,
    "rate": {"ztfg": 0.5, "ztfr": 0.0},
    "fastest": 0.5,
    "bands": ["ztfg", "ztfr"],
    "part": {"depth": None},
    "band": "ztfg",
    "kind": "Ia",
    "either": "x",
    "loose": None,
}


def is_met(text, results=None):
    return Condition(text, MAKES).is_met({"decline": CONTENT} if results is None else results)


@pytest.mark.parametrize("text", [
    ALWAYS, "decline.fast", "decline", "decline.fast and decline.fastest < 1", "0.1 < decline.fastest <= 0.5",
    "decline.rate.ztfg > 0.4", 'decline.rate["ztfg"] - 0.1 > 0.3', "decline.fastest * 2 / 4 + 1 == 1.25",
    "not decline.rate.ztfr", 'decline.band in ("ztfg", "ztfr")', 'decline.band not in ("ztfi",)',
    '"ztfr" in decline.bands', 'decline.bands[0] == "ztfg"', "decline.bands[-1] == 'ztfr'",
    "-decline.fastest < 0", "+decline.fastest > 0", "decline.part.depth is None",
    "decline.fastest is not None", "decline.fast or other.fast", "decline.fast == True",
    "'ztfg' in decline.rate", "  decline.fast\n  ",
])  # fmt: skip
def test_what_holds_is_met(text):
    assert is_met(text)


@pytest.mark.parametrize("text", [
    "False", "not decline.fast", "decline.fastest > 0.5", "1 < decline.fastest < 2", "decline.rate.ztfr",
    'decline.band in ("ztfr",)', "decline.fast and decline.rate.ztfr", "decline.part.depth is not None",
])  # fmt: skip
def test_what_does_not_hold_is_not_met(text):
    assert not is_met(text)
    assert is_met(f"not ({text})")


@pytest.mark.parametrize("text", [
    "other.fast", "other.fastest > 0", "other.fastest < 0", "other.fastest is None", "other",
    "decline.part.depth > 1", "decline.part.depth < 1", "decline.part.depth != 1", "decline.rate.ztfi > 0",
    "decline.bands[7] == 'ztfg'",
    "decline.fastest / 0 > 1", "1e308 * 1e308 - 1e308 * 1e308 == 0",
    "decline.part.depth in (1, 2)",
])  # fmt: skip
def test_what_is_not_known_is_never_met_and_neither_is_its_opposite(text):
    assert not is_met(text)
    assert not is_met(f"not ({text})")


def test_the_unknown_does_not_matter_where_the_known_decides():
    assert is_met("other.fast or decline.fast")
    assert is_met("not (other.fast and decline.rate.ztfr)")
    assert not is_met("other.fast or decline.rate.ztfr")


def test_nan_counts_as_absent():
    content = CONTENT | {"fastest": float("nan")}
    assert is_met("decline.fastest is None", {"decline": content})
    assert not is_met("decline.fastest != 1", {"decline": content})


def test_zero_and_false_are_values():
    assert is_met("decline.rate.ztfr == 0")
    assert is_met("decline.fast == False", {"decline": CONTENT | {"fast": False}})


@pytest.mark.parametrize("text, said", [
    ("declin.fast", "no instance 'declin'; there are: decline, other"),
    ("decline.speed > 1", "decline has no 'speed'; it has: fast, rate, fastest, bands, part, band, "),
    ("decline.part.width > 1", "decline.part has no 'width'; it has: depth"),
    ("decline.fastest[0] > 1", "decline.fastest is float, without parts"),
    ("decline.fastest.x", "decline.fastest is float, without parts"),
    ("decline.bands.first", "decline.bands is a tuple; its items have numbers, not 'first'"),
    ("decline.fast and", "no expression: invalid syntax"),
    ("", "no expression: invalid syntax"),
    ("decline.fast = True", "no expression"),
    ("decline.fastest == None", "say 'is None'"),
    ("decline.fast is True", "only None is compared with 'is'"),
    ('decline.band in "ztfg"', "a tuple is expected behind 'in'"),
    ("decline.fast, other.fast", "not allowed in a condition: (decline.fast, other.fast)"),
    ("'decline.fast'", "no condition over results: 'decline.fast'"),
    ("decline.rate[decline.band] > 1", "a key is a text or a whole number"),
    ("(1 < 2).real", "only results have parts"),
    ("x" * 3000, "longer than 2000 letters"),
    ("-" * 500 + "1", "nested more than 50 deep"),
])  # fmt: skip
def test_a_mistake_is_one_line_that_says_what_there_is(text, said):
    with pytest.raises(SettingsError) as caught:
        Condition(text, MAKES)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text, said", [
    ("decline.fast == 'yes'", "decline.fast (a flag) and 'yes' (a text) never compare: decline."),
    ("decline.fastest != '0.5'", "decline.fastest (a number) and '0.5' (a text) never compare"),
    ("decline.band < 3", "decline.band (a text) and 3 (a number) never compare"),
    ("0 < decline.band < 'z'", "0 (a number) and decline.band (a text) never compare"),
    ("decline > 3", "decline (a result) and 3 (a number) never compare"),
    ("decline == other", "decline (a result) and other (a result) never compare"),
    ("decline.part == decline.loose", "decline.part (a result) and "),
    ("decline in decline.loose", "decline (a result) and decline.loose (anything) never compare"),
    ("decline.rate > 1", "decline.rate (a map) and 1 (a number) never compare"),
    ("decline.rate < decline.rate", "decline.rate (a map) and decline.rate (a map) never compare"),
    ("decline.bands == 'ztfg'", "decline.bands (a tuple) and 'ztfg' (a text) never compare"),
    ("'a' + 'b' == decline.fast", "'a' (a text) is no number: 'a' + 'b'"),
    ("decline.fast + 1 == 2", "decline.fast (a flag) is no number: decline.fast + 1"),
    ("decline.band * 9 == 'x'", "decline.band (a text) is no number"),
    ("-decline.band == 1", "decline.band (a text) is no number: -decline.band"),
    ("-decline > 1", "decline (a result) is no number: -decline"),
    ("'a' in decline.band", "'a' (a text) and decline.band (a text) never compare"),
    ("3 in decline.bands", "3 (a number) and decline.bands (a tuple) never compare"),
    ("3 not in decline.rate", "3 (a number) and decline.rate (a map) never compare"),
    ("'fast' in decline", "'fast' (a text) and decline (a result) never compare"),
    ("decline.band in (1, 2)", "decline.band (a text) and (1, 2) (a tuple) never compare"),
    ("(decline.fast and other.fast) == 'yes'", "(a flag) and 'yes' (a text) never compare"),
    ("decline.fast or not decline.kind == 3", "decline.kind (a text) and 3 (a number) never compare"),
])  # fmt: skip
def test_what_could_never_be_met_is_a_mistake(text, said):
    with pytest.raises(SettingsError) as caught:
        Condition(text, MAKES)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", [
    "decline.fast == 1", "decline.fast < 0.5", "decline.loose == 'x'", "decline.loose + 1 > 2",
    "decline.loose.deep['er'] > 1", "'x' in decline.loose", "decline.either == 'x'", "decline.either + 1 > 2",
    "decline.either > decline.fastest", "decline.band in ('ztfg', 3)", "decline.bands == other.bands",
    "decline.bands < other.bands", "decline.rate == other.rate", "decline.kind == 'Ia'",
    "decline is not None", "(decline.fast == other.fast) != decline.loose",
])  # fmt: skip
def test_what_might_be_met_is_let_through(text):
    assert Condition(text, MAKES).text == text


@pytest.mark.parametrize("text", [
    "__import__('os').system('x')", "decline.__class__", "decline.fast.__class__", "print(1)", "decline()",
    "lambda: 1", "[x for x in decline.bands]", "{1: 2}", "[1]", "{1}", "f'{decline.fast}'",
    "decline.fast if 1 else 2", "(y := 1)", "decline.rate ** 9", "9 // 2 == 4", "9 % 2 == 1", "1 << 9",
    "~1 == 2", "1j == 1", "b'x' == 1", "... == 1", "decline.bands[0:1]", "decline.bands[*(1,)]", "await x",
    "yield", "decline.bands @ 1", "1 & 1", "1 | 2",
])  # fmt: skip
def test_whatever_could_run_or_reach_further_is_refused(text):
    with pytest.raises(SettingsError):
        Condition(text, MAKES)


LETTERS = st.sampled_from([
    "decline", "other", ".fast", ".rate", ".ztfg", "['ztfg']", "[0]", ".fastest", ".bands", " and ", " or ",
    " not ", " in ", " is ", "None", "True", "False", "(", ")", ",", "<", "==", "!=", ">=", "+", "-", "*",
    "/", "1", "0", "1e999", "'ztfg'", "open", "('x')", "__class__", ":", "[", "]", "lambda", "\n", " ",
    "9" * 400,
])  # fmt: skip
TEXTS = (
    st.lists(LETTERS, max_size=12).map("".join)
    | st.text(string.printable, max_size=40)
    | st.text(max_size=20)
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["ztfg", "x"]), inner, max_size=2)
    ),
    max_leaves=4,
)
RESULTS = st.dictionaries(
    st.sampled_from(list(MAKES)), st.dictionaries(st.sampled_from(list(CONTENT)), VALUES), max_size=2
)


@given(TEXTS, RESULTS)
@example("decline.fastest * " + "9" * 400 + " < 1", {"decline": {"fastest": 1e300}})
@example("decline.rate == decline.rate", {"decline": {"rate": {"x": [float("nan")]}}})
@example("\x00", {})
@example("\ud800", {})
def test_no_text_and_no_results_raise_anything_but_a_mistake_or_run_anything(text, results):
    calls = []
    watched = {name: getattr(builtins, name) for name in ("open", "eval", "exec", "__import__")}
    try:
        condition = Condition(text, MAKES)
    except SettingsError as error:
        assert "\n" not in str(error)  # noqa: PT017 - most texts are mistakes
        return
    try:
        for name in watched:
            setattr(builtins, name, lambda *_, called=name: calls.append(called))
        assert condition.is_met(results) in {True, False}
    finally:
        for name, function in watched.items():
            setattr(builtins, name, function)
    assert calls == []


@given(st.sampled_from(["fast", "fastest", "band"]), RESULTS)
def test_a_condition_and_its_opposite_are_never_both_met(field, results):
    text = f"decline.{field}"
    assert not (is_met(text, results) and is_met(f"not {text}", results))


def test_the_instances_that_a_condition_looks_at_are_known():
    assert Condition("other.fast or decline.fast and other.fast", MAKES).instances == ("other", "decline")
    assert Condition(ALWAYS, MAKES).instances == ()
