"""T3 reacts: when the results say so, once, with what was before, and every refusal has a reason."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skymesh.bus.bus import Outgoing
from skymesh.codecs import wire
from skymesh.errors import InvariantError, TransientError
from skymesh.jobs.deployed import Deployed
from skymesh.jobs.plan import ChannelPlan, Configured, JobPlan
from skymesh.jobs.reactions import ReactionPlan
from skymesh.jobs.spec import WiredSpec
from skymesh.jobs.when import ALWAYS, Condition
from skymesh.jobs.wires import Wiring
from skymesh.model.alert import Alert, Arrival, Source
from skymesh.model.execution import (
    JournalEntry,
    Result,
    Settled,
    SettledResult,
    UnitRef,
    View,
    config_id,
    content_digest,
)
from skymesh.model.ids import digest_of, text_id
from skymesh.model.position import Position
from skymesh.model.reaction import Intent, reaction_id
from skymesh.model.records import Completed, Intended, Times
from skymesh.model.state import make_state
from skymesh.runtime.jobs import OneJob
from skymesh.runtime.loop import TierLoop, with_retries
from skymesh.runtime.tier import Context
from skymesh.runtime.topics import INTENTS, PROVENANCE, RESULTS, topic_of
from skymesh.units import (
    Delivery,
    Earlier,
    LightCurve,
    Message,
    MissingInputError,
    ObjectView,
    Reaction,
    Reactor,
)
from skymesh.units import Result as UnitResult
from skymesh.units.reactor_wiring import reactor_hints
from skymesh_local.app import open_embedded
from skymesh_t2.units.difference_flux import DifferenceFlux
from skymesh_t3.tier import T3
from support.packets import JD, detection, points

RUN, LOG, CHANNEL = digest_of("run", "t3"), digest_of("log", "t3"), "job/c"
CODE, NO_CONFIG = digest_of("code", 1), config_id({})
STOCK = "ztf:ZTF21aaaaaaa"


class Score(UnitResult):
    value: float


class Other(UnitResult):
    value: float


class Tells(Reactor):
    """Tells whatever it is given, as text."""

    version = "1"

    def react(self, score: Score, reaction: Reaction) -> Message | None:
        return Message("told.txt", "text/plain", f"{reaction.id} {reaction.origin} {score.value}".encode())


class TellsBefore(Reactor):
    version = "1"

    def react(self, score: Score, previous: Earlier[Score] | None, last: Delivery | None) -> Message:
        before = "" if previous is None else f"{previous.result.value} {previous.state} {previous.alert}"
        told = "" if last is None else f"{last.reaction} {last.state} {last.alert}"
        return Message("told.txt", "text/plain", f"{score.value};{before};{told}".encode())


class TellsView(Reactor):
    version = "1"

    def react(
        self, view: ObjectView, curve: LightCurve, other: Other | None, scores: Mapping[str, Score]
    ) -> Message:
        return Message(
            "view.json", "application/json", msgspec.json.encode([view, len(curve), other, scores])
        )


class TellsTwice(Reactor):
    version = "1"

    def react(self, score: Score) -> tuple[Message, ...]:
        return tuple(Message(name, "text/plain", b"x") for name in ("a.txt", "b.txt"))


class TellsBig(Reactor):
    """Tells of scores above 5 only."""

    version = "1"

    def react(self, score: Score) -> Message | None:
        return Message("big.txt", "text/plain", b"big") if score.value > 5 else None


class Raises(Reactor):
    version = "1"

    def react(self, score: Score) -> Message | None:
        raise ValueError("no such\nthing")


class Exits(Reactor):
    version = "1"

    def react(self, score: Score) -> Message | None:
        sys.exit(0)


class Sleeps(Reactor):
    version = "1"
    deadline_s = 0.05

    def react(self, score: Score) -> Message | None:
        time.sleep(60)


class Lacks(Reactor):
    version = "1"

    def react(self, score: Score) -> Message | None:
        raise MissingInputError("nothing to work on")


class TellsText(Reactor):
    version = "1"

    def react(self, score: Score) -> Message | None:
        return Message("a.txt", "text/plain", "text")


class TellsNumbers(Reactor):
    version = "1"

    def react(self, score: Score) -> Message | None:
        return (1, 2)


class Climbs(Reactor):
    version = "1"

    def react(self, score: Score) -> Message | None:
        return Message("../a.txt", "text/plain", b"")


class Repeats(Reactor):
    version = "1"

    def react(self, score: Score) -> tuple[Message, ...]:
        return (Message("a.txt", "text/plain", b"1"), Message("a.txt", "text/plain", b"2"))


class Away(Reactor):
    version = "1"

    def react(self, score: Score) -> Message | None:
        raise TransientError("the service does not answer")


class Step(NamedTuple):
    """A completed state: its place in the log, and the scores on each state; None for a failed one."""

    offset: int
    scores: tuple[float | None, ...] = (1.0,)
    stock: str = STOCK


MAKES = {"score": Score, "other": Other}


def ref_of(unit):
    return UnitRef(type(unit).__name__, unit.version, NO_CONFIG, CODE)


def reaction(unit, *, name="event", when="score", once="state", outlets=("file",)):
    notes = []
    wires = Wiring({}, MAKES, lambda *note: notes.append(note)).wires(
        "", WiredSpec(unit=""), unit, reactor_hints(type(unit))
    )
    assert notes == []
    return ReactionPlan(name, ref_of(unit), unit, wires, Condition(when, MAKES), once, outlets)


def job(*reactions):
    tabulator = DifferenceFlux()
    curve = Configured(UnitRef("DifferenceFlux", "1", NO_CONFIG, CODE), tabulator)
    channel = ChannelPlan(CHANNEL, frozenset({"ztf_public"}), False, None, None, curve, (), reactions)
    return JobPlan("job", (channel,), ())


def _point(offset, index):
    return points(history=[detection(jd_utc=JD + offset + 0.1 * index, magpsf=18.0 + index)])[1]


def _members(step):
    return [_point(step.offset, index) for index in range(len(step.scores))]


def state_of(step, index=0):
    return make_state(step.stock, [point.id for point in _members(step)[: index + 1]])


def _alert_of(step):
    return digest_of("alert", [step.stock, step.offset])


def _result(step, index, name):
    value = step.scores[index]
    content = None if value is None else {"value": value}
    outcome = "failed" if value is None else "ok"
    return Result(
        digest_of("result", [step.stock, step.offset, index, name]), step.stock,
        UnitRef("Made", "1", NO_CONFIG, CODE), {}, outcome, "" if value is not None else "it failed", content,
        content_digest(outcome, content), RUN, Position(0, 0, step.offset), 0.0,
    )  # fmt: skip


def _documents(step):
    members = tuple(_members(step))
    alert = Alert(
        _alert_of(step), "ztf", step.offset, step.stock, Source("f", 0), digest_of("record", 1), members,
        {}, {}, {}, None,
    )  # fmt: skip
    place = Position(0, 0, step.offset)
    yield Arrival(LOG, step.stock, place, alert, members[0].id, ("ztf_public",), False)
    for index in range(len(step.scores)):
        yield state_of(step, index)
        yield _result(step, index, "score")


def _record(step):
    states = {}
    for index in range(len(step.scores)):
        made = _result(step, index, "score")
        score = SettledResult(made.id, made.outcome, made.digest, made.is_transient)
        none = digest_of("result", ["none", step.stock, step.offset, index])
        other = SettledResult(none, "missing", content_digest("missing", None), is_transient=False)
        states[state_of(step, index).id] = {"score": score, "other": other}
    return Completed(
        Position(0, 0, step.offset), step.stock, _alert_of(step), {RUN: {CHANNEL: states}}, Times(0, 59000.0)
    )


class Told(NamedTuple):
    """What T3 made: intents by position and id, what it published, what it keeps, and its journal."""

    intents: list
    published: list
    views: list
    settled: list
    journal: list

    def lines(self, instance="event"):
        entries = [entry for entry in self.journal if entry.instance == instance]
        return [(line.outcome, line.reason) for entry in entries for line in entry.lines]

    @property
    def texts(self):
        return [intent.letters[0].body.decode() for intent in self.intents]


def run(folder, plan, steps, *, batch_records=500, again=0, origin="real"):
    """Run T3 over completed states in this order; then once more over the last of them, as redelivered."""

    async def work():
        embedded = open_embedded(folder / "store.db")
        topics = {name: topic_of(name, RUN.hex()) for name in (RESULTS, INTENTS, PROVENANCE)}
        for topic in topics.values():
            await embedded.bus.create(topic)
        for step in steps:
            await embedded.store.write([*_documents(step)])
        await embedded.bus.publish(
            [Outgoing(topics[RESULTS], step.stock, wire.encode(_record(step))) for step in steps]
        )
        context, deployed = Context(LOG, RUN), Deployed(RUN, origin, plan)
        await _through(embedded, context, deployed, batch_records)
        if again:
            embedded.bus._file.connection.execute("UPDATE committed SET next = max(0, next - ?)", (again,))
            await _through(embedded, context, deployed, batch_records)
        told = Told(
            [intent async for intent in embedded.store.scan(Intent)],
            [wire.decode(r.value, Intended) async for part in embedded.bus.iter_from(topics[INTENTS], 0, 0)
             for r in part],
            [view async for view in embedded.store.scan(View)],
            [row async for row in embedded.store.scan(Settled)],
            [wire.decode(r.value, JournalEntry)
             async for part in embedded.bus.iter_from(topics[PROVENANCE], 0, 0) for r in part],
        )  # fmt: skip
        await embedded.close()
        order = {step.offset: number for number, step in enumerate(steps)}
        inside = {state_of(step, index).id: index for step in steps for index in range(len(step.scores))}
        told.intents.sort(key=lambda intent: (order[intent.position.offset], inside[intent.state]))
        return told

    return asyncio.run(work())


async def _through(embedded, context, deployed, batch_records):
    async with embedded.bus.open(context.group("t3"), context.topic(RESULTS), 0) as partition:
        jobs = OneJob(deployed)
        loop = TierLoop(partition, embedded.store, T3(context), context, jobs, batch_records=batch_records)
        while await with_retries(loop, attempts=2, first_pause_s=0):
            """Go on to the end."""


def test_a_state_that_meets_the_condition_fires_and_the_others_do_not(tmp_path):
    steps = [Step(1, (0.0,)), Step(2, (2.0,)), Step(3, (None,)), Step(5, (3.0,), "ztf:ZTF21aaaaaab")]
    told = run(tmp_path, job(reaction(Tells(), when="score.value > 1")), steps)
    assert told.lines() == [("unmet", ""), ("fired", ""), ("unmet", ""), ("fired", "")]
    assert [intent.state for intent in told.intents] == [state_of(steps[1]).id, state_of(steps[3]).id]
    first = told.intents[0]
    assert first.id == reaction_id(ref_of(Tells()), CHANNEL, "file", "state", first.state)
    assert first.letters[0].body.decode() == f"{text_id('reaction', first.id)} real 2.0"
    assert (first.channel, first.instance, first.target, first.stock) == (CHANNEL, "event", "file", STOCK)
    assert first.results["score"] == (_result(steps[1], 0, "score").id, "ok")
    assert [record.reaction for record in told.published] == [intent.id for intent in told.intents]
    assert len(told.views) == 4


@pytest.mark.parametrize("again", [0, 2])
def test_what_was_settled_is_kept_as_it_was_completed_whether_anything_reacts_or_not(tmp_path, again):
    steps = [Step(1, (0.0, None)), Step(2, (2.0,)), Step(3, (None,), "ztf:ZTF21aaaaaab")]
    records = [_record(step) for step in steps]
    for number, plan in enumerate((job(), job(reaction(Tells())))):
        (tmp_path / str(number)).mkdir()
        told = run(tmp_path / str(number), plan, steps, batch_records=2, again=again)
        assert told.settled == [
            Settled(RUN, record.position, record.stock, record.alert, record.results[RUN])
            for record in records
        ]


def test_a_run_on_simulated_alerts_tells_them_as_simulated(tmp_path):
    told = run(tmp_path, job(reaction(Tells())), [Step(1)], origin="simulated")
    assert "simulated" in told.texts[0]


def test_once_for_an_object_is_at_the_lowest_position_that_meets_the_condition(tmp_path):
    steps = [Step(1, (0.0,)), Step(2, (2.0,)), Step(3, (3.0,)), Step(4, (4.0,), "ztf:ZTF21aaaaaab")]
    told = run(tmp_path, job(reaction(Tells(), when="score.value > 1", once="stock")), steps)
    assert told.lines() == [("unmet", ""), ("fired", ""), ("held", "already told"), ("fired", "")]
    assert [intent.position.offset for intent in told.intents] == [2, 4]
    assert told.intents[0].id == reaction_id(ref_of(Tells()), CHANNEL, "file", "stock", STOCK)


def test_what_completes_late_at_a_lower_position_is_journaled_and_not_sent(tmp_path):
    told = run(tmp_path, job(reaction(Tells(), once="stock")), [Step(5), Step(2), Step(7)])
    assert told.lines() == [
        ("fired", ""), ("held", "already told of a later alert"), ("held", "already told"),
    ]  # fmt: skip
    assert [record.position.offset for record in told.published] == [5]


def test_nothing_to_tell_is_not_told_and_the_next_state_may_be(tmp_path):
    told = run(tmp_path, job(reaction(TellsBig(), once="stock")), [Step(1), Step(2, (9.0,)), Step(3, (9.0,))])
    assert told.lines() == [("silent", "nothing to tell"), ("fired", ""), ("held", "already told")]


def test_a_required_result_that_is_not_ok_keeps_it_from_firing_with_the_reason(tmp_path):
    told = run(tmp_path, job(reaction(Tells(), when=ALWAYS)), [Step(1, (None,)), Step(2)])
    assert told.lines() == [("missing", "score is failed"), ("fired", "")]


def test_what_was_before_is_the_state_before_of_the_channel_and_the_last_that_was_told(tmp_path):
    steps = [Step(1, (1.0, 2.0)), Step(2, (None,)), Step(3, (4.0,)), Step(4, (0.5, 6.0))]
    told = run(tmp_path, job(reaction(TellsBefore(), when="score.value > 0.9")), steps)
    states = {(s.offset, i): text_id("state", state_of(s, i).id) for s in steps for i in range(len(s.scores))}
    alerts = {step.offset: text_id("alert", _alert_of(step)) for step in steps}
    ids = [text_id("reaction", intent.id) for intent in told.intents]
    assert told.texts == [
        "1.0;;",
        f"2.0;1.0 {states[1, 0]} {alerts[1]};{ids[0]} {states[1, 0]} {alerts[1]}",
        # The result on the state before failed, so there is none to compare with.
        f"4.0;;{ids[1]} {states[1, 1]} {alerts[1]}",
        f"6.0;0.5 {states[4, 0]} {alerts[4]};{ids[2]} {states[3, 0]} {alerts[3]}",
    ]
    entries = [intent.inputs for intent in told.intents]
    assert entries[0]["previous"] == entries[0]["last"] == ("absent",)
    assert entries[3]["previous"] == ("result", _result(steps[3], 0, "score").id, "ok")
    assert entries[3]["last"] == ("reaction", told.intents[2].id)


def test_the_view_is_of_visible_points_with_the_newest_detection(tmp_path):
    step = Step(1, (1.0, 2.0))
    told = run(tmp_path, job(reaction(TellsView(), when="score.value > 1")), [step])
    view, rows, other, scores = msgspec.json.decode(told.texts[0])
    assert (view["channel"], view["stock"]) == (CHANNEL, STOCK)
    assert view["state"] == text_id("state", state_of(step, 1).id)
    assert view["results"] == {"score": {"value": 2.0}}
    assert (rows, other, scores) == (2, None, {"score": {"value": 2.0}})
    newest, sighting = _members(step)[-1], view["sighting"]
    assert sighting["mjd_tai"] == newest.mjd_tai
    assert sighting["mag_ab"] == pytest.approx(19.0)
    assert (sighting["survey"], sighting["band"], sighting["time_of"]) == ("ztf", "ztfg", "start")
    assert sighting["ra_deg"] == pytest.approx(150.0, abs=90)


def test_several_messages_are_one_reaction(tmp_path):
    (intent,) = run(tmp_path, job(reaction(TellsTwice())), [Step(1)]).intents
    assert [letter.name for letter in intent.letters] == ["a.txt", "b.txt"]


@pytest.mark.parametrize("unit, outcome, reason", [
    (Raises(), "failed", "ValueError: no such thing"), (Exits(), "failed", "SystemExit: 0"),
    (Sleeps(), "failed", "longer than its deadline of 0.05 s"), (Lacks(), "missing", "nothing to work on"),
    (TellsText(), "failed", "TypeError: react returns messages of bytes, not Message"),
    (TellsNumbers(), "failed", "TypeError: react returns messages of bytes, not int"),
    (Climbs(), "failed", "ValueError: no name for a message: '../a.txt'"),
    (Repeats(), "failed", "ValueError: two messages have one name"),
])  # fmt: skip
def test_whatever_a_reactor_does_is_an_outcome_with_a_reason(tmp_path, unit, outcome, reason):
    fine = reaction(Tells(), name="fine")
    told = run(tmp_path, job(reaction(unit), fine), [Step(1)])
    ((said, why),) = told.lines()
    assert said == outcome
    assert reason in why
    assert "\n" not in why
    assert told.lines("fine") == [("fired", "")]
    assert [intent.instance for intent in told.intents] == ["fine"]


def test_a_service_that_is_away_settles_nothing(tmp_path):
    with pytest.raises(TransientError):
        run(tmp_path, job(reaction(Away())), [Step(1)])


def test_a_state_that_is_not_in_the_store_stops_it(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "_documents", lambda step: [_result(step, 0, "score")])
    with pytest.raises(InvariantError, match="state:"):
        run(tmp_path, job(reaction(TellsView())), [Step(1)])


def test_the_journal_tiles_for_every_reaction_whether_it_fires_or_not(tmp_path):
    plan = job(reaction(Tells()), reaction(TellsBefore(), name="never", when="False"))
    told = run(tmp_path, plan, [Step(n) for n in range(5)], batch_records=2)
    for instance in ("view", "event", "never"):
        entries = [entry for entry in told.journal if entry.instance == instance]
        assert [(entry.first, entry.end) for entry in entries] == [(0, 2), (2, 4), (4, 5)]
        assert sum(len(entry.lines) for entry in entries) == 5


STEPS = st.lists(
    st.tuples(
        st.lists(st.none() | st.sampled_from([0.0, 1.0, 2.0, 9.0]), min_size=1, max_size=2),
        st.sampled_from([STOCK, "ztf:ZTF21aaaaaab"]),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=25)
@given(made=STEPS, data=st.data())
def test_batches_repetitions_and_order_of_completion_change_nothing_that_was_decided(
    tmp_path_factory, made, data
):
    steps = [Step(offset, tuple(scores), stock) for offset, (scores, stock) in enumerate(made)]
    steps = data.draw(st.permutations(steps))
    plan = job(
        reaction(TellsBefore(), name="each", when="score.value > 0"),
        reaction(TellsBig(), name="big", once="stock"),
        reaction(TellsBefore(), name="first", when="score.value > 1", once="stock"),
    )
    told = run(tmp_path_factory.mktemp("a"), plan, steps)
    batch_records, again = data.draw(st.integers(1, 4)), data.draw(st.integers(0, len(steps)))
    other = run(tmp_path_factory.mktemp("b"), plan, steps, batch_records=batch_records, again=again)
    assert sorted(other.intents, key=lambda i: i.id) == sorted(told.intents, key=lambda i: i.id)
    assert (other.views, other.settled) == (told.views, told.settled)
    assert {record.reaction for record in other.published} == {intent.id for intent in told.intents}
    assert other.published[: len(told.published)] == told.published
