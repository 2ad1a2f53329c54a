"""The page of a run: whole HTML, the numbers of the run, and for each channel what it may see."""

from __future__ import annotations

import json
import re
from urllib.parse import unquote

import pytest

from support import nights
from support.announced import announce_units
from support.mesh import channel, run_files, skymesh, write_files, write_job
from support.packets import JD, as_history, candidate, container, detection, limit, record
from support.page import Page
from support.planted import AGGREGATES, HIDDEN_STOCK, PLANTED, found_in
from support.planted import records as planted_records

PLOTS = {"unit": "LightCurvePlot", "config": {"format": "svg"}, "to": ["file"]}


def page_of(folder):
    return Page((folder / "index.html").read_text())


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """Folder, page and numbers of a night with duplicates, a dead letter and three channels."""
    folder = tmp_path_factory.mktemp("night")
    write_files(folder, nights.packets())
    plots = {"plots": PLOTS | {"channels": ["public"]}}
    job = write_job(folder / "job.yaml", nights.channels(), summarise=plots)
    numbers = run_files(job, folder / "alerts", folder / "out")
    return folder, page_of(folder / "out"), numbers


def test_every_tag_is_closed_every_id_is_one_and_every_link_leads_somewhere(night):
    folder, page, _ = night
    assert page.problems == []
    assert len(page.links) > 60
    for link in page.links:
        if link.startswith("#"):
            assert unquote(link[1:]) in page.ids, link
        else:
            assert (folder / "out" / unquote(link)).is_file(), link


def test_the_page_needs_nothing_else_and_no_script(night):
    _, page, _ = night
    names = {name for name, _ in page.elements}
    assert not names & {"script", "link", "img", "iframe", "object"}
    for _, attributes in page.elements:
        assert not attributes.keys() & {"src", "onclick", "onload"}
        assert not any(str(value).startswith(("http:", "https:", "//")) for value in attributes.values())
    assert "url(" not in page.text


def test_numbers_are_those_of_json(night):
    _, page, numbers = night
    alerts = [numbers["alerts"][name] for name in ("read", "published", "duplicate", "dead", "accepted")]
    assert page.row_below("read") == [*alerts, numbers["datapoints"]]
    for name, told in numbers["channels"].items():
        row = page.row(name)
        assert row[:4] == [told[key] for key in ("accepted", "rejected", "states", "reactions")]
    for name, told in numbers["units"].items():
        row = page.row(name)
        outcomes = [told["ok"], told["missing"], told["failed"]]
        assert row == [sum(outcomes), *outcomes, told["memoised"], told["seconds"]]
    assert numbers["digest"] in page.text_of("run")
    assert numbers["results_digest"] in page.text_of("run")


def test_verdicts_are_added_up_by_the_name_of_the_reason(night):
    _, page, numbers = night
    told = numbers["channels"]["job/partners"]
    rows = [row for row in page.rows_in("channel-partners") if row[0] in {"accepted", "rejected"}]
    for verdict in ("accepted", "rejected"):
        assert sum(row[2] for row in rows if row[0] == verdict) == told[verdict] > 0
    assert {row[1] for row in rows} == {"followed", "no reason given", "draw … >= rate …", "not_visible"}


def test_dead_letters_are_told_by_reason(night):
    folder, page, _ = night
    told = page.text_of("dead-letters")
    assert "undecodable" in told
    assert f"{folder}/alerts/dead.avro#0" in told


def test_a_copied_command_tells_the_same(night):
    _, page, _ = night
    commands = re.findall(r"skymesh trace [^\n]*", page.text)
    assert len(commands) > 20
    for kind in ("run", "job", "config", "alert", "state", "result", "journal"):
        command = next(line for line in commands if line.startswith(f"skymesh trace {kind}:"))
        arguments = command.split()[1:]
        done = skymesh(*arguments, "--json")
        assert done.returncode == 0, (command, done.stderr)
        assert json.loads(done.stdout)["id"] == arguments[1]


def test_started_again_the_page_is_the_same_to_the_byte(night):
    folder, _, numbers = night
    before = (folder / "out" / "index.html").read_bytes()
    (folder / "out" / "index.html").unlink()
    assert run_files(folder / "job.yaml", folder / "alerts", folder / "out") == numbers
    assert (folder / "out" / "index.html").read_bytes() == before


def test_an_equal_run_differs_in_seconds_and_places_alone(night, tmp_path):
    folder, _, _ = night
    run_files(folder / "job.yaml", folder / "alerts", tmp_path)
    pages = [(folder / "out" / "index.html").read_text(), (tmp_path / "index.html").read_text()]
    assert _timeless(pages[0], folder / "out") == _timeless(pages[1], tmp_path)


def _timeless(text, folder):
    text = text.replace(str(folder), "DIR")
    text = re.sub(r'<td class="n">[\d,.]+</td>', "<td>TIME</td>", text)
    text = re.sub(r'<data value="[\d.e-]+">[\d,]*\.\d+</data>', "TIME", text)
    return re.sub(r"(seconds:</span>) [\d.e-]+", r"\1 TIME", text)


def test_figures_are_the_same_to_the_byte_in_an_equal_run(night, tmp_path):
    folder, _, _ = night
    run_files(folder / "job.yaml", folder / "alerts", tmp_path, batch_records=3)
    made = {path.name: path.read_bytes() for path in (tmp_path / "plots").iterdir()}
    assert made == {path.name: path.read_bytes() for path in (folder / "out" / "plots").iterdir()}
    assert sorted(made) == [f"public-ztf-ZTF21aaaaa{name}.svg" for name in ("hd", "rp", "sn")]


def test_a_channel_shows_nothing_that_it_may_not_see(tmp_path):
    packets = {f"{n}.avro": container([item]) for n, item in enumerate(planted_records())}
    write_files(tmp_path / "alerts", packets)
    channels = {"public": channel(), "partners": channel("ztf_public", "ztf_private")}
    run_files(write_job(tmp_path / "job.yaml", channels), tmp_path / "alerts", tmp_path / "out")
    page = page_of(tmp_path / "out")
    public = page.text_of("channel-public")
    accounts = [id_ for id_ in page.ids if id_.startswith("journal-") and "-public-" in id_]
    assert len(accounts) == 5
    for text in (public, *map(page.text_of, accounts)):
        assert found_in(text) == set()
        assert HIDDEN_STOCK not in text
    assert "not_visible" in public
    assert found_in(page.text_of("channel-partners")) >= {"history candid", "trigger candid"}
    assert not found_in(page.text_of("channel-partners")) & AGGREGATES
    assert PLANTED.keys() > AGGREGATES


def test_a_figure_knows_nothing_of_points_that_its_channel_may_not_see(tmp_path):
    seen = [detection(jd_utc=JD - 1, magpsf=18.5), limit(jd_utc=JD - 6)]
    hidden = [detection(jd_utc=JD - 3, magpsf=12.0, programid=2), limit(jd_utc=JD - 40, programid=2)]
    job = write_job(tmp_path / "job.yaml", {"c": channel()}, summarise={"p": PLOTS | {"channels": ["c"]}})
    made = []
    for name, history in (("with", [*seen, *hidden]), ("without", seen)):
        write_files(tmp_path / name, {"a.avro": container([record(history=history)])})
        run_files(job, tmp_path / name, tmp_path / f"{name}-out")
        made.append((tmp_path / f"{name}-out" / "p" / "c-ztf-ZTF21aaaaaaa.svg").read_bytes())
    assert made[0] == made[1]


HOSTILE = ("</style><script>alert(1)</script>", "a\"b'c&d", "x\u202e<!--", "..", "a/../../b", "ß")


def test_hostile_names_are_text(tmp_path):
    packets = [record(object_id=name, jd_utc=JD + n, rcid=n) for n, name in enumerate(HOSTILE)]
    write_files(tmp_path / "al'<b>erts", {"<i>.avro": container(packets), "dead<u>.avro": b"nothing"})
    job = write_job(tmp_path / "job.yaml", {"c": channel()}, summarise={"p": PLOTS | {"channels": ["c"]}})
    run_files(job, tmp_path / "al'<b>erts", tmp_path / "o<ut")
    page = page_of(tmp_path / "o<ut")
    assert page.problems == []
    assert {"script", "b", "i", "u"} & {name for name, _ in page.elements} == set()
    shown = page.text_of("channel-c")
    for name in ("</style><script>alert(1)</script>", "a\"b'c&d", r"x\u202e<!--", "ß"):
        assert f"ztf:{name}" in shown
    figures = sorted(path.relative_to(tmp_path / "o<ut") for path in (tmp_path / "o<ut").rglob("*.svg"))
    assert len(figures) == len(HOSTILE)
    assert {path.parts[0] for path in figures} == {"p"}
    for link in page.links:
        assert link.startswith("#") or (tmp_path / "o<ut" / unquote(link)).is_file(), link


def test_hostile_reasons_are_text(tmp_path):
    units = announce_units(tmp_path / "units", "support.bad_units")
    write_files(tmp_path / "alerts", {"a.avro": container([record()])})
    job = write_job(tmp_path / "job.yaml", {"c": channel(analyse={"bad": {"unit": "Marks"}})})
    done = skymesh("run", job, "--alerts", tmp_path / "alerts", "--out", tmp_path / "out", path=[units])
    assert done.returncode == 0, done.stderr
    page = page_of(tmp_path / "out")
    assert page.problems == []
    assert "<b>bold</b>" in page.text_of("journal-t2-c-bad")
    assert "b" not in {name for name, _ in page.elements}


def test_a_run_that_accepts_nothing_has_a_page(tmp_path):
    write_files(tmp_path / "alerts", {"a.avro": container([record(), record(jd_utc=JD + 1)])})
    none = channel(unit="SampleFilter", config={"rate": 0.0})
    numbers = run_files(write_job(tmp_path / "job.yaml", {"c": none}), tmp_path / "alerts", tmp_path / "out")
    page = page_of(tmp_path / "out")
    assert page.problems == []
    assert page.row("job/c") == [0, 2, 0, 0, 0]
    assert numbers["channels"]["job/c"]["rejected"] == 2
    assert "No object reached a state" in page.text_of("channel-c")
    assert all(link[1:] in page.ids for link in page.links)


def test_a_run_that_read_only_dead_letters_has_a_page(tmp_path):
    write_files(tmp_path / "alerts", {f"{n}.avro": b"nothing" for n in range(3)})
    run_files(write_job(tmp_path / "job.yaml", {"c": channel()}), tmp_path / "alerts", tmp_path / "out")
    page = page_of(tmp_path / "out")
    assert page.problems == []
    assert page.row_below("read") == [3, 0, 0, 3, 0, 0]
    assert all(link[1:] in page.ids for link in page.links)


def test_many_objects_are_counted_and_some_are_shown(tmp_path, monkeypatch):
    monkeypatch.setattr("skymesh_local.report.page.MOST_OBJECTS", 3)
    fading = [detection(jd_utc=JD + 4 - 1, magpsf=17.0)]
    packets = [record(object_id=f"ZTF21many{n}", jd_utc=JD + n, rcid=n, magpsf=19.0) for n in range(4)]
    packets.append(record(object_id="ZTF21zfast", jd_utc=JD + 4, history=fading, magpsf=19.0))
    write_files(tmp_path / "alerts", {"a.avro": container(packets)})
    run_files(write_job(tmp_path / "job.yaml", {"c": channel()}), tmp_path / "alerts", tmp_path / "out")
    page = page_of(tmp_path / "out")
    shown = [page.text_of(f"object-c-{n}").split()[0] for n in (1, 2, 3)]
    assert shown == ["ztf:ZTF21zfast", "ztf:ZTF21many0", "ztf:ZTF21many1"]
    assert "object-c-4" not in page.ids
    assert "3 of 5 objects are shown" in page.text_of("channel-c")
    assert page.row("job/c")[-1] == 5


def test_reactions_are_listed_with_their_messages(tmp_path):
    react = {"event": {"unit": "VOEvent", "when": "decline.fast", "to": ["file"]},
             "never": {"unit": "VOEvent", "when": "decline.gap_days.ztfi > 1e9", "to": ["file"],
                       "config": {"title": "never"}}}  # fmt: skip
    first = candidate(jd_utc=JD, magpsf=18.0)
    fading = record(jd_utc=JD + 1, magpsf=19.5, history=[as_history(first)])
    write_files(tmp_path / "alerts", {"all.avro": container([record(trigger=first), fading])})
    channels = {"c": channel(react=react), "quiet": channel(react={"never": react["never"]})}
    numbers = run_files(write_job(tmp_path / "job.yaml", channels), tmp_path / "alerts", tmp_path / "out")
    assert numbers["channels"]["job/c"]["reactions"] == 1
    page = page_of(tmp_path / "out")
    assert page.problems == []
    messages = [link for link in page.links if link.startswith("event/")]
    assert [(tmp_path / "out" / unquote(link)).is_file() for link in messages] == [True]
    (name,) = (path.stem for path in (tmp_path / "out" / "event").iterdir())
    assert f"skymesh trace reaction:{name} --store" in page.text_of("channel-c")
    assert "Nothing was told." in page.text_of("channel-quiet")
    assert page.row("job/c.event")[0] == 2
