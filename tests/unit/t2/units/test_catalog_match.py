"""Matches with catalogues: the nearest row, or all, with the columns that were asked for."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymesh.errors import JobError, MissingInputError
from skymesh.jobs.plan import plan_job
from skymesh.jobs.spec import JobSpec
from skymesh.runtime.execute import plain_content
from skymesh.units import Position, installed
from skymesh_t2.units.catalog_match import CatalogMatch, CatalogMatches
from support.catalogues import catalogue, separations_arcsec

HERE = Position(150.0, 2.0)
GALAXIES = {
    "ra": [150.0, 150.0, 150.0012, 10.0],
    "dec": [2.001, 2.0005, 2.0, 41.0],
    "z": [0.03, None, 0.5, math.inf],
    "name": ["far", None, "farther", "elsewhere"],
    "n": [1, 2, 3, 4],
}


@pytest.fixture(scope="module")
def catalogues(tmp_path_factory):
    stars = {"ra": [150.0, 151.0], "dec": [2.0, 2.0], "G": [15.0, 16.0]}
    tables = {"galaxies": GALAXIES, "stars": stars}
    return {name: catalogue(tmp_path_factory.mktemp(name), table) for name, table in tables.items()}


def match(**catalogs) -> CatalogMatch:
    return installed.configure("CatalogMatch", {"catalogs": catalogs})


def test_the_nearest_row_is_told_with_its_distance_and_columns(catalogues):
    found = match(galaxies={"rs_arcsec": 5}, stars={"rs_arcsec": 1}).run(HERE, catalogues)
    assert found.within == {}
    assert found.nearest == {
        "galaxies": {
            "ra": 150.0, "dec": 2.0005, "z": None, "name": None, "n": 2,
            "separation_arcsec": pytest.approx(1.8, abs=1e-6),
        },
        "stars": {"ra": 150.0, "dec": 2.0, "G": 15.0, "separation_arcsec": 0.0},
    }  # fmt: skip


def test_all_rows_are_told_on_demand_the_nearest_first(catalogues):
    unit = match(
        galaxies={"rs_arcsec": 5, "all": True, "keys_to_append": ["name"]},
        stars={"rs_arcsec": 5, "keys_to_append": []},
    )
    found = unit.run(HERE, catalogues)
    assert [row["name"] for row in found.within["galaxies"]] == [None, "far", "farther"]
    assert [set(row) for row in found.within["galaxies"]] == [{"name", "separation_arcsec"}] * 3
    assert found.nearest["galaxies"] == found.within["galaxies"][0]
    assert found.nearest["stars"] == {"separation_arcsec": 0.0}


def test_no_match_is_none_and_no_rows(catalogues):
    found = match(galaxies={"rs_arcsec": 1, "all": True}, stars={"rs_arcsec": 1}).run(
        Position(0.0, -60.0), catalogues
    )
    assert found == CatalogMatches(nearest={"galaxies": None, "stars": None}, within={"galaxies": ()})


def test_cuts_come_before_the_nearest(catalogues):
    def nearest(**cuts):
        search = {"rs_arcsec": 60, "cuts": cuts, "keys_to_append": ["name"]}
        row = match(galaxies=search).run(HERE, catalogues).nearest["galaxies"]
        return row and row["name"]

    assert nearest(z=[None, None]) == "far"
    assert nearest(z=[0.1, None]) == "farther"
    assert nearest(z=[None, 0.03]) == "far"
    assert nearest(z=[0.01, 0.6], n=[2, 3]) == "farther"
    assert nearest(z=[0.6, 0.7]) is None


def test_values_that_are_no_numbers_are_absent(catalogues):
    found = match(galaxies={"rs_arcsec": 5}).run(Position(10.0, 41.0), catalogues)
    assert found.nearest["galaxies"]["z"] is None


def test_a_result_is_plain_and_comes_back_as_it_was(catalogues):
    found = match(galaxies={"rs_arcsec": 5, "all": True}, stars={"rs_arcsec": 1}).run(HERE, catalogues)
    content = plain_content(found, CatalogMatches)
    assert msgspec.convert(content, CatalogMatches) == found


@given(
    st.lists(
        st.tuples(st.floats(149.99, 150.01), st.floats(1.99, 2.01)).map(lambda at: Position(*at)),
        min_size=1,
        max_size=30,
    ),
    st.floats(0.1, 100),
)
def test_many_at_once_are_as_each_alone(catalogues, positions, rs_arcsec):
    unit = match(galaxies={"rs_arcsec": rs_arcsec, "all": True}, stars={"rs_arcsec": rs_arcsec})
    inputs = [{"position": position, "catalogues": catalogues} for position in positions]
    many = unit.run_many(inputs)
    assert many == [unit.run(**each) for each in inputs]
    ra, dec = np.array([(position.ra_deg, position.dec_deg) for position in positions]).T
    expected = (separations_arcsec(ra, dec, GALAXIES) <= rs_arcsec).sum(axis=1)
    assert [len(found.within["galaxies"]) for found in many] == expected.tolist()


def test_inputs_of_different_catalogues_are_kept_apart(catalogues):
    unit = match(galaxies={"rs_arcsec": 5, "keys_to_append": []})
    other = {"galaxies": catalogues["stars"]}
    found = unit.run_many(
        [{"position": HERE, "catalogues": catalogues}, {"position": HERE, "catalogues": other}]
    )
    assert [each.nearest["galaxies"]["separation_arcsec"] > 0 for each in found] == [True, False]


def test_a_catalogue_that_is_not_there_is_a_missing_input(catalogues):
    unit = match(galaxies={"rs_arcsec": 5}, gaia={"rs_arcsec": 5})
    with pytest.raises(MissingInputError, match="there is no catalogue 'gaia'"):
        unit.run(HERE, catalogues)


def test_a_job_is_told_which_catalogues_and_columns_it_lacks(catalogues):
    unit = match(
        galaxies={"rs_arcsec": 5, "keys_to_append": ["z", "v"], "cuts": {"w": [0, 1], "name": [0, 1]}},
        gaia={"rs_arcsec": 5},
    )
    columns = "there are: ra, dec, z, name, n"
    assert list(unit.problems({"catalogues": catalogues})) == [
        f"catalogs.galaxies: has no column 'v'; {columns}",
        f"catalogs.galaxies: has no column 'w'; {columns}",
        "catalogs.galaxies: a cut needs numbers, and 'name' has texts",
        "catalogs.gaia: the job has no catalogue of that name under resources:",
    ]
    assert list(match(gaia={"rs_arcsec": 5}).problems({})) == [
        "catalogs.gaia: the job has no catalogue of that name under resources:"
    ]


@pytest.mark.parametrize(
    "config, problem",
    [
        ({}, "catalogs: this parameter must be given"),
        ({"catalogs": {}}, "catalogs: dictionary should have at least 1 item"),
        ({"catalogs": {"ned": {}}}, "catalogs.ned.rs_arcsec: this parameter must be given"),
        ({"catalogs": {"ned": {"rs_arcsec": 0}}}, "catalogs.ned.rs_arcsec: input should be greater than 0"),
        ({"catalogs": {"ned": {"rs_arcsec": 1, "use": "extcats"}}}, "catalogs.ned.use: no such parameter"),
        ({"catalogs": {"ned": {"rs_arcsec": 1, "cuts": {"z": [1]}}}}, "catalogs.ned.cuts.z.1: "),
    ],
)
def test_mistyped_parameters_are_told_with_their_place(config, problem):
    with pytest.raises(JobError) as told:
        installed.configure("CatalogMatch", config)
    assert told.value.lines[0].startswith(problem)


def test_catalogues_that_are_not_searched_are_no_input(tmp_path):
    for name in ("stars", "galaxies"):
        (tmp_path / name).mkdir()
        catalogue(tmp_path / name, {"ra": [1.0], "dec": [2.0]})
    folders = {name: {"catalogue": f"{name}/made"} for name in ("stars", "galaxies")}
    match = {"unit": "CatalogMatch", "config": {"catalogs": {"galaxies": {"rs_arcsec": 5}}}}
    channel = {"access": ["ztf_public"], "filter": {"unit": "AcceptAll"}, "analyse": {"host": match}}
    text = {"name": "job", "resources": folders, "channels": {"c": channel}}
    (instance,) = plan_job(JobSpec.model_validate(text), "job.yaml", tmp_path).channels[0].instances
    assert {wire.hint.name: wire.sources for wire in instance.wires}["catalogues"] == ("galaxies",)
