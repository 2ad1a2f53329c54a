"""Outlets of a run: each at its own pace, and none told what it was told or must not be told."""

from __future__ import annotations

import json

import pytest

from skymesh.errors import OutletUnavailableError, SettingsError
from skymesh.model.ids import text_id
from skymesh.model.reaction import Held, Intent, Receipt
from support import nights
from support.mesh import audit_store, channel, documents, messages, run_files, skymesh, write_files, write_job
from support.webhook_server import DROP, receiving

URL = "SKYMESH_WEBHOOK_URL"


def event(*to, once="stock", **more):
    return {"unit": "VOEvent", "when": "summary", "once": once, "to": list(to), **more}


@pytest.fixture
def receiver(monkeypatch):
    with receiving() as told:
        monkeypatch.setenv(URL, told.url)
        monkeypatch.setenv("SKYMESH_WEBHOOK_TIMEOUT_S", "60")
        yield told


@pytest.fixture
def night(tmp_path):
    return write_files(tmp_path, nights.packets())


def a_job(folder, *to, name="job", **react):
    return write_job(
        folder / f"{name}.yaml", {"c": channel(react={"event": event(*to, **react)})}, name="job"
    )


def run(job, folder, out, **more):
    return run_files(job, folder / "alerts", out, deliver=True, **more)


def kept(out, kind):
    return documents(out / "store.db", kind)


def holes(out, **more):
    return audit_store(out / "store.db", **more).holes


def names(intents):
    return sorted(text_id("reaction", intent.id) for intent in intents)


def test_a_run_tells_files_alone_unless_it_is_to_deliver(night, receiver, tmp_path):
    job = a_job(night, "file", "webhook")
    run_files(job, night / "alerts", tmp_path / "dry")
    assert receiver.calls == []
    intents = kept(tmp_path / "dry", Intent)
    assert len(messages(tmp_path / "dry")) == len(intents) > 2
    assert {receipt.way for receipt in kept(tmp_path / "dry", Receipt)} == {"file"}
    assert holes(tmp_path / "dry") == []
    run(job, night, tmp_path / "out")
    ours = [intent for intent in kept(tmp_path / "out", Intent) if intent.target == "webhook"]
    assert sorted(receiver.keys) == names(ours)
    assert {call.key: call.body for call in receiver.calls} == {
        text_id("reaction", intent.id): intent.letters[0].body for intent in ours
    }
    assert len(messages(tmp_path / "out")) == len(ours) == len(intents) // 2
    assert holes(tmp_path / "out") == []


def test_simulated_alerts_are_told_files_alone(receiver, tmp_path):
    import asyncio

    from skymesh_local.run import run_job
    from skymesh_local.settings import RunSettings

    job = a_job(tmp_path, "webhook")
    asyncio.run(run_job(RunSettings(job=str(job), out=tmp_path / "out", deliver=True)))
    assert len(messages(tmp_path / "out")) == len(kept(tmp_path / "out", Intent)) > 0
    assert receiver.calls == []


def test_an_outlet_without_settings_is_refused_before_anything_is_read(night, tmp_path, monkeypatch):
    monkeypatch.delenv(URL, raising=False)
    job = a_job(night, "webhook")
    with pytest.raises(SettingsError, match=f"outlet 'webhook': set {URL}"):
        run(job, night, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(SettingsError, match="outlet 'kafka': tells in the transactions of a live mesh"):
        run(a_job(night, "kafka", name="other"), night, tmp_path / "out")
    run_files(job, night / "alerts", tmp_path / "out")


def test_a_run_that_told_files_does_not_go_on_by_telling_others(night, receiver, tmp_path):
    job = a_job(night, "webhook")
    run_files(job, night / "alerts", tmp_path / "out")
    with pytest.raises(SettingsError, match="begun without it; to tell anew, make a run apart with --run"):
        run(job, night, tmp_path / "out")
    run(job, night, tmp_path / "out", name="told")
    assert len(receiver.calls) == len(messages(tmp_path / "out")) > 0


def test_what_was_told_once_is_not_told_again_by_a_job_that_is_deployed_anew(night, receiver, tmp_path):
    store = f"sqlite:{tmp_path / 'store.db'}"
    job = a_job(night, "webhook")
    run(job, night, tmp_path / "one", store=store)
    first = list(receiver.keys)
    # The channel computes something else beside: another job, another run, the same reactions.
    analyse = {"summary": {"unit": "LightCurveSummary"}, "decline": {"unit": "FastDecliner"}}
    changed = analyse | {"second": {"unit": "FastDecliner", "config": {"min_rate_mag_per_day": 9.0}}}
    other = write_job(
        night / "other.yaml", {"c": channel(react={"event": event("webhook")}, analyse=changed)}, name="job"
    )
    numbers = run(other, night, tmp_path / "two", store=store)
    assert receiver.keys == first != []
    told = [line for line in _lines(tmp_path, numbers["run"]) if line.outcome == "told"]
    assert sorted(line.subject for line in told) == sorted(first)
    for one in {text_id("run", intent.run) for intent in kept(tmp_path, Intent)}:
        assert holes(tmp_path, run=one) == []


def _lines(folder, run):
    from skymesh.model.execution import JournalEntry

    entries = kept(folder, JournalEntry)
    return [
        line
        for entry in entries
        if text_id("run", entry.run) == run and entry.tier == "deliver.webhook"
        for line in entry.lines
        if line.subject.startswith("reaction:")
    ]


def test_an_outlet_that_is_down_holds_back_nobody_else(night, tmp_path, monkeypatch):
    monkeypatch.setenv(URL, "http://127.0.0.1:9/nobody")
    job = a_job(night, "webhook", "file")
    with pytest.raises(OutletUnavailableError, match=r"webhook at http://127\.0\.0\.1:9: does not answer"):
        run(job, night, tmp_path)
    ours = [intent for intent in kept(tmp_path, Intent) if intent.target == "file"]
    assert len(messages(tmp_path)) == len(ours) > 2
    found = audit_store(tmp_path / "store.db", is_final=False)
    assert (found.holes, found.inflight) == ([], 2 * len(ours))
    assert kept(tmp_path, Held) == []
    with receiving() as receiver:
        monkeypatch.setenv(URL, receiver.url)
        run(job, night, tmp_path)
        assert len(receiver.calls) == len(ours)
    assert holes(tmp_path) == []


@pytest.mark.parametrize("policy", ["resend", "hold"])
def test_what_is_refused_is_held_and_the_rest_goes_on(night, receiver, tmp_path, monkeypatch, policy):
    monkeypatch.setenv("SKYMESH_WEBHOOK_POLICY", policy)
    receiver.answers = [204, 422, 404]
    run(a_job(night, "webhook"), night, tmp_path)
    held = kept(tmp_path, Held)
    assert sorted(one.reason for one in held) == ["answers with status 404", "answers with status 422"]
    assert sorted(receiver.keys) == names(kept(tmp_path, Intent))
    assert len(kept(tmp_path, Receipt)) == len(receiver.keys) - 2
    assert holes(tmp_path) == []


def test_no_answer_is_told_again_or_held(night, receiver, tmp_path, monkeypatch):
    job = a_job(night, "webhook")
    for policy in ("resend", "hold"):
        receiver.calls.clear()
        receiver.answers = [204, DROP, 500]
        monkeypatch.setenv("SKYMESH_WEBHOOK_POLICY", policy)
        run(job, night, tmp_path / policy)
        assert holes(tmp_path / policy) == []
        intents = kept(tmp_path / policy, Intent)
        assert set(receiver.keys) == set(names(intents))
        assert len(receiver.keys) == len(intents) + (2 if policy == "resend" else 0)
        assert len(kept(tmp_path / policy, Held)) == (0 if policy == "resend" else 2)


@pytest.fixture
def held(night, receiver, tmp_path, monkeypatch):
    """A run that is finished but for three reactions, which wait for a person."""
    monkeypatch.setenv("SKYMESH_WEBHOOK_POLICY", "hold")
    receiver.answers = [DROP, DROP, DROP]
    job = a_job(night, "webhook")
    numbers = run(job, night, tmp_path / "out")
    first = [text_id("reaction", one.id) for one in kept(tmp_path / "out", Held)]
    return lambda: run(job, night, tmp_path / "out"), numbers, sorted(first)


def held_command(folder, *arguments, code=0):
    done = skymesh("held", *arguments, "--store", f"sqlite:{folder / 'store.db'}")
    assert done.returncode == code, done.stderr
    return done.stdout or done.stderr


def test_a_person_releases_some_and_drops_others(held, receiver, tmp_path):
    again, numbers, waiting = held
    out = tmp_path / "out"
    told = json.loads(held_command(out, "list", "--json"))["held"]
    assert sorted(one["id"] for one in told) == waiting
    assert {(one["status"], one["outlet"], one["attempts"]) for one in told} == {("held", "webhook", 1)}
    receiver.calls.clear()
    assert again() == numbers
    assert receiver.calls == []
    held_command(out, "release", waiting[0])
    held_command(out, "drop", waiting[1], "--reason", "the field has set")
    cut = audit_store(out / "store.db", is_final=False)
    assert (cut.holes, cut.inflight) == ([], 2)
    assert again() == numbers
    assert receiver.keys == [waiting[0]]
    assert holes(out) == []
    assert [one["id"] for one in json.loads(held_command(out, "list", "--json"))["held"]] == [waiting[2]]
    last = {line.subject: (line.outcome, line.reason) for line in _lines(out, numbers["run"])}
    assert last[waiting[0]] == ("delivered", "")
    assert last[waiting[1]] == ("dropped", "the field has set")
    assert last[waiting[2]][0] == "held"


def test_what_is_released_and_stays_without_an_answer_is_held_again(held, receiver, tmp_path):
    again, _, waiting = held
    receiver.calls.clear()
    receiver.answers = [DROP]
    held_command(tmp_path / "out", "release", waiting[0])
    again()
    assert receiver.keys == [waiting[0]]
    assert len(json.loads(held_command(tmp_path / "out", "list", "--json"))["held"]) == 3
    held_command(tmp_path / "out", "release", "--all")
    again()
    assert sorted(receiver.keys) == sorted([waiting[0], *waiting])
    assert held_command(tmp_path / "out", "list").endswith("0 reactions are held back\n")
    assert holes(tmp_path / "out") == []


def test_a_mistake_about_what_is_held_is_one_line(held, tmp_path):
    again, _, waiting = held
    for arguments, said in (
        (["release"], "name reactions, or say --all"),
        (["drop", "reaction:0123456789abcdef0123456789abcdef"], "no such reaction was held back"),
        (["release", "reaction:"], "no such reaction was held back"),
    ):
        line = held_command(tmp_path / "out", *arguments, code=2)
        assert said in line
        assert line.count("\n") == 1
    held_command(tmp_path / "out", "drop", waiting[1], "--reason", "a satellite")
    line = held_command(tmp_path / "out", "release", waiting[1], code=2)
    assert "was dropped, and is never sent: a satellite" in line
    held_command(tmp_path / "out", "release", waiting[0])
    again()
    assert "was told already" in held_command(tmp_path / "out", "drop", waiting[0], code=2)
