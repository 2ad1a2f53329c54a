"""Catalogues on the command line."""

from __future__ import annotations

import re

import pytest

from e2e.command import Done, forked, only, skymesh, write_files

JOB = """\
name: host
resources:
  galaxies: {catalogue: made}
channels:
  all:
    access: [ztf_public]
    filter: {unit: AcceptAll}
    analyse:
      host: {unit: CatalogMatch, config: {catalogs: {galaxies: {rs_arcsec: 120, keys_to_append: [NED_name]}}}}
summarise:
  hosts: {unit: CandidateTable, channels: [all], to: [file]}
"""
TABLE = b"name,ra,dec,mag\nM 31,10.68471,41.26875,3.4\nM 33,23.46204,30.66022,5.7\nlost,,,20.0\n"
HEADLINE = re.compile(r"catalogue:[0-9a-f]{32}  (\w+)  (\d+) rows")


@pytest.fixture
def place(tmp_path):
    return write_files(tmp_path, {"galaxies.csv": TABLE, "off.csv": b"ra,dec\n1,2\n400,0\n0,91\n"})


def imported(place, *more: str, source: str = "galaxies.csv") -> Done:
    return forked("catalogue", "import", source, "made", "--ra", "ra", "--dec", "dec", *more, cwd=place)


def test_a_table_becomes_a_catalogue_that_says_what_it_is(place):
    done = imported(place, "--name", "galaxies", "--columns", "mag, name")
    assert (done.code, done.err) == (0, ""), done
    headline, skipped = done.out.splitlines()
    assert HEADLINE.fullmatch(headline).groups() == ("galaxies", "2")
    assert skipped == "skipped 1 rows without a position"

    shown = forked("catalogue", "show", "made", "--verify", cwd=place)
    assert (shown.code, shown.err) == (0, ""), shown
    assert shown.out.splitlines() == [
        headline,
        "in 1 tiles, at ra, dec, with",
        "  ra: number",
        "  dec: number",
        "  mag: number",
        "  name: text",
        "these are the rows that were imported",
    ]


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["nowhere.csv", "made", "--ra", "ra", "--dec", "dec"], ["nowhere.csv", "no such file"]),
        (
            ["galaxies.csv", "made", "--ra", "RA", "--dec", "dec"],
            ["galaxies.csv", "'RA'", "name, ra, dec, mag"],
        ),
        (["galaxies.csv", "made", "--ra", "name", "--dec", "dec"], ["galaxies.csv", "'name'", "no numbers"]),
        (["galaxies.csv", "made", "--ra", "ra", "--dec", "dec", "--columns", "z"], ["galaxies.csv", "'z'"]),
        (["galaxies.csv", "made", "--ra", "ra", "--dec", "dec", "--columns", "mag,,"], ["--columns mag,,"]),
        (["off.csv", "made", "--ra", "ra", "--dec", "dec"], ["off.csv", "2 rows", "-180 to 360", "400 0"]),
        (["galaxies.csv", "off.csv", "--ra", "ra", "--dec", "dec"], ["off.csv", "exists already"]),
        (
            ["galaxies.csv", "off.csv/made", "--ra", "ra", "--dec", "dec"],
            ["off.csv/made", "cannot be written"],
        ),
        (["galaxies.csv", "made", "--ra", "ra"], ["--dec"]),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_made(place, arguments, words):
    before = sorted(place.iterdir())
    done = forked("catalogue", "import", *arguments, cwd=place)
    assert done.code == 2, done
    line = only(done.mistakes)
    assert all(word in line for word in words), line
    assert sorted(place.iterdir()) == before


def test_a_full_disk_is_one_line_and_nothing_is_made(place):
    rows = "".join(f"{number},0.5,0.5\n" for number in range(200_000))
    (place / "big.csv").write_text("n,ra,dec\n" + rows)
    before = sorted(place.iterdir())
    full = forked(
        "catalogue", "import", "big.csv", "made", "--ra", "ra", "--dec", "dec", cwd=place, file_bytes=100_000
    )
    assert full.code == 2, full
    assert "made: cannot be written: " in only(full.mistakes)
    assert sorted(place.iterdir()) == before


def test_showing_what_is_no_catalogue_or_a_changed_one_is_one_line(place):
    assert "is no catalogue" in only(forked("catalogue", "show", ".", cwd=place).mistakes)
    assert "no such folder" in only(forked("catalogue", "show", "nowhere", cwd=place).mistakes)
    imported(place)
    said = place / "made" / "hats.properties"
    said.write_text(re.sub(r"catalogue:[0-9a-f]{32}", f"catalogue:{'0' * 32}", said.read_text()))
    changed = forked("catalogue", "show", "made", "--verify", cwd=place)
    assert changed.code == 1, changed
    assert changed.err == f"skymesh: {place / 'made'}: these are not the rows that were imported\n"


@pytest.mark.parametrize(
    "old, new, problem",
    [
        (
            "[NED_name]",
            "[Name]",
            "host: catalogs.galaxies: has no column 'Name'; there are: name, ra, dec, mag",
        ),
        (
            "catalogs: {galaxies",
            "catalogs: {ned",
            "catalogs.ned: the job has no catalogue of that name under resources:",
        ),
        ("catalogue: made", "catalogue: gone", "resources.galaxies: gone: no such folder"),
        ("rs_arcsec: 120", "use: extcats", "catalogs.galaxies.use: no such parameter"),
    ],
)
def test_a_job_that_asks_too_much_of_its_catalogues_is_told_before_it_runs(place, old, new, problem):
    imported(place)
    job = JOB if old == "[NED_name]" else JOB.replace("[NED_name]", "[name]")
    (place / "job.yaml").write_text(job.replace(old, new))
    done = forked("check", "job.yaml", cwd=place)
    assert done.code == 2, done
    assert any(problem in line for line in done.mistakes), done


def test_a_supernova_is_found_in_its_galaxy_and_the_same_wherever_the_catalogue_lies(shared_data, tmp_path):
    (tmp_path / "there").mkdir()
    for folder in (tmp_path, tmp_path / "there"):
        source = shared_data / "catalogs" / "gwgc_good.csv.gz"
        made = forked(
            "catalogue", "import", source, "made", "--ra", "RAJ2000", "--dec", "DEJ2000", cwd=folder
        )
        assert made.code == 0, made
        (folder / "job.yaml").write_text(JOB)
    alerts = shared_data / "ztf" / "avro" / "pgb_ZTF21abiuvdk"
    run = ("run", "job.yaml", "--alerts", alerts, "--out", "out", "--json")
    one = forked(*run, cwd=tmp_path).json
    two = skymesh(*run, "--workers", "2", cwd=tmp_path / "there").json
    assert one["units"]["host/all.host"]["ok"] == two["units"]["host/all.host"]["ok"] == 34
    assert (one["digest"], one["results_digest"]) == (two["digest"], two["results_digest"])

    shown = forked("show", "ZTF21abiuvdk", "--store", "sqlite:out/store.db", "--json", cwd=tmp_path).json
    assert {result["content"]["nearest"]["galaxies"]["NED_name"] for result in shown["results"]} == {
        "NGC7814"
    }
    for result in shown["results"]:
        again = forked("reproduce", result["id"], "--store", "sqlite:out/store.db", cwd=tmp_path)
        assert again.code == 0, again
