"""What one may not see occurs nowhere in what one gets: in no state, result, trace, product or error."""

from __future__ import annotations

import asyncio
import json

import pytest

from skymesh.errors import NotFoundError
from skymesh.model.alert import Arrival
from skymesh.model.execution import JournalEntry, Result, Settled
from skymesh.model.ids import text_id
from skymesh.model.reaction import Intent
from skymesh.model.run import ConfigRecord, JobRecord, Run
from skymesh.model.state import State, StateLink
from skymesh_local.show import show
from skymesh_local.trace import trace
from support.announced import announce_units
from support.mesh import channel, documents, open_store, run_files, skymesh, write_files, write_job
from support.packets import JD, as_history, candidate, container, record
from support.planted import AGGREGATES, HIDDEN_STOCK, PLANTED, STOCK, found_in, records


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    """Folder of a run in which three channels of growing grants see the planted packets."""
    folder = tmp_path_factory.mktemp("access")
    write_files(folder / "alerts", {f"{n}.avro": container([item]) for n, item in enumerate(records())})
    grants = {
        "public": ["ztf_public"],
        "partners": ["ztf_public", "ztf_private"],
        "staff": ["ztf_public", "ztf_private", "ztf_caltech", "ztf_engineering"],
    }
    react = {
        "event": {"unit": "VOEvent", "when": "summary", "once": "state", "to": ["file"]},
    }
    channels = {name: channel(*labels, react=react) for name, labels in grants.items()}
    tables = {
        f"table_{name}": {"unit": "CandidateTable", "channels": [name], "to": ["file"]} for name in channels
    }
    job = write_job(folder / "job.yaml", channels, summarise=tables)
    run_files(job, folder / "alerts", folder)
    return folder


def _ids(folder):
    """Return every id of every kind that the store holds, as text."""
    store = folder / "store.db"
    ids = {text_id("config", row.id) for row in documents(store, ConfigRecord)}
    ids |= {text_id("job", row.id) for row in documents(store, JobRecord)}
    ids |= {text_id("run", row.id) for row in documents(store, Run)}
    ids |= {text_id("state", row.id) for row in documents(store, State)}
    ids |= {text_id("result", row.id) for row in documents(store, Result)}
    ids |= {text_id("journal", row.id) for row in documents(store, JournalEntry)}
    ids |= {text_id("reaction", row.id) for row in documents(store, Intent)}
    for row in documents(store, Arrival):
        ids |= {text_id("alert", row.alert.id), text_id("point", row.trigger)}
        ids |= {text_id("point", point.id) for point in row.alert.points}
        ids |= {text_id("cutout", row.alert.cutouts)} if row.alert.cutouts else set()
    return sorted(ids)


def _looks(folder, name):
    """Return all that a channel can get: texts by what was asked, errors among them."""
    asked = {f"trace {id_}": (trace, id_) for id_ in _ids(folder)}
    asked |= {
        f"show {stock}": (show, stock) for stock in (STOCK, HIDDEN_STOCK, "ZTF21aaaaaaa", "ZTF21aaaaazz")
    }
    found = {f"file {path.name}": path.read_text() for path in folder.glob(f"table_{name}.*")}
    assert len(found) == 2
    own = [row for row in documents(folder / "store.db", Intent) if row.channel == f"job/{name}"]
    sent = {f"file {row.id.hex()}": (folder / "event" / f"{row.id.hex()}.xml").read_text() for row in own}
    assert len(sent) > 1
    found |= sent
    with open_store(folder / "store.db") as embedded:
        for question, (look, what) in asked.items():
            found[question] = _answer(look, embedded.store, what, name)
    return found


def _answer(look, store, what, name):
    """Return what one is told, or the error in one line."""
    try:
        return json.dumps(asyncio.run(look(store, what, name)), allow_nan=False)
    except NotFoundError as error:
        return str(error)


def _leaks(looks):
    return [(question, found_in(text)) for question, text in looks.items() if found_in(text)]


def test_no_planted_value_is_in_anything_that_the_public_channel_gets(mesh):
    assert _leaks(_looks(mesh, "public")) == []


def test_granted_channels_see_what_was_planted(mesh):
    for name, expected in (("partners", PLANTED.keys() - AGGREGATES), ("staff", PLANTED.keys())):
        seen = [names for _, names in _leaks(_looks(mesh, name))]
        assert set.union(*seen) == expected


def test_the_public_channel_sees_what_is_public(mesh):
    looks = _looks(mesh, "public")
    told = json.loads(looks[f"show {STOCK}"])
    assert len(told["alerts"]) == 2
    assert sorted(point["kind"] for point in told["points"]) == ["detection"] * 3 + ["forced", "limit"]
    assert all(point["labels"] == ["ztf_public"] for point in told["points"])
    assert {state["channel"] for state in told["states"]} == {"job/public"}
    summary = next(r["content"] for r in told["results"] if r["unit"] == "LightCurveSummary")
    assert summary["detections"] > 0


def test_states_of_the_public_channel_hold_public_points_alone(mesh):
    labels = {p.id: p.labels for row in documents(mesh / "store.db", Arrival) for p in row.alert.points}
    points = {state.id: state.points for state in documents(mesh / "store.db", State)}
    seen = {"job/public": set(), "job/partners": set()}
    for link in documents(mesh / "store.db", StateLink):
        for name in seen.keys() & link.states.keys():
            held = [point for state in link.states[name] for point in points[state]]
            seen[name].update(label for point in held for label in labels[point])
    assert seen == {"job/public": {"ztf_public"}, "job/partners": {"ztf_public", "ztf_private"}}


def test_a_channel_sees_its_own_reactions_and_no_others(mesh):
    intents = documents(mesh / "store.db", Intent)
    for name in ("public", "partners", "staff"):
        looks = _looks(mesh, name)
        seen = {row.id for row in intents if "told" in looks[f"trace {text_id('reaction', row.id)}"]}
        own = {row.id for row in intents if row.channel == f"job/{name}"}
        assert seen == own
        shown = json.loads(looks[f"show {STOCK}"])["reactions"]
        of_stock = {text_id("reaction", row.id) for row in intents if row.id in own and row.stock == STOCK}
        assert {reaction["id"] for reaction in shown} == of_stock
    public = [row for row in intents if row.channel == "job/public"]
    assert {row.stock for row in public} == {STOCK} < {row.stock for row in intents}


def test_what_is_hidden_and_what_does_not_exist_get_the_same_answer(mesh):
    hidden = [row for row in documents(mesh / "store.db", Arrival) if row.trigger_labels == ("ztf_private",)]
    points = [p for row in documents(mesh / "store.db", Arrival) for p in row.alert.points]
    states = {text_id("state", state.id) for state in documents(mesh / "store.db", State)}
    looks = _looks(mesh, "public")
    named = [text_id("alert", row.alert.id) for row in hidden]
    named += [text_id("point", point.id) for point in points if point.labels != ("ztf_public",)]
    named += [text_id("cutout", row.alert.cutouts) for row in hidden if row.alert.cutouts]
    named += [state for state in states if "held_at" not in looks[f"trace {state}"]]
    intents = documents(mesh / "store.db", Intent)
    named += [text_id("reaction", row.id) for row in intents if row.channel != "job/public"]
    kinds = {name.partition(":")[0] for name in named}
    assert kinds == {"alert", "point", "cutout", "state", "reaction"}
    with open_store(mesh / "store.db") as embedded:
        for name in named:
            other = f"{name.partition(':')[0]}:{'0' * 32}"
            unknown = _answer(trace, embedded.store, other, "public")
            assert looks[f"trace {name}"].replace(name, other) == unknown
        unknown = _answer(show, embedded.store, STOCK + "x", "public")
    assert looks[f"show {HIDDEN_STOCK}"].replace(HIDDEN_STOCK, STOCK + "x") == unknown


@pytest.mark.parametrize("verb", ["show", "trace"])
def test_the_command_line_tells_no_difference_either(mesh, verb):
    (row,) = [row for row in documents(mesh / "store.db", Arrival) if row.stock == HIDDEN_STOCK]
    hidden, unknown = HIDDEN_STOCK, "ztf:ZTF99zzzzzzz"
    if verb == "trace":
        hidden, unknown = text_id("alert", row.alert.id), f"alert:{'0' * 32}"
    options = ("--store", f"sqlite:{mesh / 'store.db'}", "--channel", "public", "--json")
    answers = [skymesh(verb, name, *options) for name in (hidden, unknown)]
    assert [answer.returncode for answer in answers] == [2, 2]
    assert answers[0].stdout == answers[1].stdout == ""
    assert answers[0].stderr.replace(hidden, "X") == answers[1].stderr.replace(unknown, "X")
    assert skymesh(verb, hidden, *options[:2], "--channel", "partners", "--json").returncode == 0


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folder of a run whose units are given no states; a hidden detection moves what they are given."""
    folder = tmp_path_factory.mktemp("made")
    one, two = candidate(jd_utc=JD), candidate(jd_utc=JD + 1, programid=2, ra=150.2, magpsf=17.0)
    hidden = record(trigger=two, history=[as_history(one)], cutouts=True)
    hidden |= {"cutoutScience": {"fileName": "s.fits.gz", "stampData": b"a stamp of its own"}}
    three = record(jd_utc=JD + 2, history=[as_history(one), as_history(two)])
    write_files(
        folder / "alerts", {"all.avro": container([record(trigger=one, cutouts=True), hidden, three])}
    )
    analyse = {
        "where": {"unit": "Where", "config": {"diary": str(folder / "diary.txt")}},
        "onplace": {"unit": "OnPlace"},
        "chosen": {"unit": "Chooses"},
        "looks": {"unit": "Looks"},
        "onstamps": {"unit": "OnStamps"},
    }
    grants = {"public": ["ztf_public"], "partners": ["ztf_public", "ztf_private"]}
    channels = {name: channel(*labels, analyse=analyse) for name, labels in grants.items()}
    job = write_job(folder / "job.yaml", channels)
    units = announce_units(folder / "units", "support.wired_units")
    done = skymesh("run", job, "--alerts", folder / "alerts", "--out", folder, path=[units])
    assert done.returncode == 0, done.stderr
    return folder


def _settled_for(folder, name):
    """Return the ids of the results that were settled for states of a channel."""
    return {
        text_id("result", told.id)
        for row in documents(folder / "store.db", Settled)
        for by_instance in row.results.get(name, {}).values()
        for told in by_instance.values()
    }


def test_results_that_were_given_no_state_are_seen_where_a_state_is_for_which_they_were_settled(made):
    public, partners = (_settled_for(made, f"job/{name}") for name in ("public", "partners"))
    units = {text_id("result", row.id): row.ref.unit for row in documents(made / "store.db", Result)}
    hidden = units.keys() - public
    assert {units[id_] for id_ in hidden} == set(units.values())
    assert {units[id_] for id_ in public & partners} == set(units.values())
    with open_store(made / "store.db") as embedded:
        for id_, unit in units.items():
            other = f"result:{'0' * 32}"
            unknown = _answer(trace, embedded.store, other, "public")
            told = _answer(trace, embedded.store, id_, "public")
            assert (told.replace(id_, other) == unknown) == (id_ in hidden), unit
            assert not any(other in told for other in hidden - {id_}), unit
            assert json.loads(_answer(trace, embedded.store, id_, "partners"))["id"] == id_
        for name, seen in (("public", public), ("partners", partners)):
            shown = json.loads(_answer(show, embedded.store, STOCK, name))
            assert {result["id"] for result in shown["results"]} == seen


@pytest.mark.parametrize("name", ["public", "partners", ""])
def test_results_that_were_given_no_state_lead_back_to_packets(made, name):
    seen = _settled_for(made, f"job/{name or 'partners'}")
    found = set()
    with open_store(made / "store.db") as embedded:
        for id_ in seen:
            told = json.loads(_answer(trace, embedded.store, id_, name))
            assert told["states"] == []
            assert any(result["result"] == id_ for result in told["from"]["results"])
            assert all(point["packets"] for point in told["from"]["points"])
            found |= {p["packet"] for point in told["from"]["points"] for p in point["packets"]}
            assert all(built["from"] for built in told["built_on"])
    offsets = {packet.rpartition("#")[2] for packet in found}
    assert offsets == ({"0", "2"} if name == "public" else {"0", "1", "2"})


def test_a_channel_to_which_jobs_of_one_name_granted_less_sees_what_all_of_them_granted(tmp_path):
    write_files(tmp_path / "alerts", {f"{n}.avro": container([item]) for n, item in enumerate(records())})
    react = {"event": {"unit": "VOEvent", "when": "summary", "once": "state", "to": ["file"]}}
    file, store = tmp_path / "store.db", f"sqlite:{tmp_path / 'store.db'}"
    for labels in (["ztf_public", "ztf_private"], ["ztf_public"]):
        job = write_job(tmp_path / "job.yaml", {"c": channel(*labels, react=react)})
        run_files(job, tmp_path / "alerts", tmp_path / str(len(labels)), store=store)
    labels = {p.id: p.labels for row in documents(file, Arrival) for p in row.alert.points}
    public = {
        text_id("state", state.id)
        for state in documents(file, State)
        if all(labels[point] == ("ztf_public",) for point in state.points)
    }
    intents = documents(file, Intent)
    with open_store(file) as embedded:
        told = json.loads(_answer(show, embedded.store, STOCK, "c"))
        assert told["results"]
        assert {state["id"] for state in told["states"]} == public
        assert {reaction["state"] for reaction in told["reactions"]} == public
        assert len(public) < len({intent.state for intent in intents})
        for result in told["results"]:
            assert json.loads(_answer(trace, embedded.store, result["id"], "c"))
        for intent in intents:
            answer = _answer(trace, embedded.store, text_id("reaction", intent.id), "c")
            assert ("told" in answer) == (text_id("state", intent.state) in public)
