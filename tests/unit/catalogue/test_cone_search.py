"""Cone searches find what the plainest search finds."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymesh.catalogue import Catalogue, Cut, importing
from skymesh.errors import SettingsError
from support.catalogues import catalogue, on_the_sphere, separations_arcsec

# A search may differ from another where a row lies that near the rim of the cone.
RIM_ARCSEC = 1e-6


def _rows() -> dict[str, np.ndarray]:
    """Return rows all over the sky, and crowds at its awkward places."""
    rng = np.random.default_rng(4)
    ra, dec = on_the_sphere(rng, 2000)
    for crowd_ra, crowd_dec in ((0, 0), (0, 90), (180, -90), (45, 41.8), (0, 41.81), (270, 0)):
        near_dec = np.clip(crowd_dec + rng.normal(0, 0.01, 150), -90, 90)
        ra = np.append(ra, (crowd_ra + rng.normal(0, 0.01, 150) / np.cos(np.radians(near_dec))) % 360)
        dec = np.append(dec, near_dec)
    number = np.arange(len(ra))
    mag = np.where(number % 5 == 0, np.nan, rng.uniform(10, 20, len(ra)))
    return {"ra": ra, "dec": dec, "number": number, "mag": mag, "name": [f"row {n}" for n in number]}


ROWS = _rows()


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """A catalogue of many small tiles and row groups."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importing, "TILE_ROWS", 60)
        patch.setattr(importing, "GROUP_ROWS", 16)
        made = catalogue(tmp_path_factory.mktemp("crowded"), ROWS)
    assert len({tile.order for tile in made.tiles}) > 2
    return made


def pairs(matches) -> set[tuple[int, int]]:
    return set(zip(matches.position.tolist(), matches.values["number"].tolist(), strict=True))


def place() -> st.SearchStrategy[tuple[float, float]]:
    """Anywhere, on or beside a row, and at the poles and seams of the sky."""
    anywhere = st.tuples(st.floats(-400, 800), st.floats(-90, 90))
    rows = st.integers(0, len(ROWS["ra"]) - 1).map(lambda n: (float(ROWS["ra"][n]), float(ROWS["dec"][n])))
    beside = st.tuples(rows, st.floats(-0.02, 0.02)).map(lambda at: (at[0][0] + at[1], at[0][1]))
    seams = st.tuples(st.sampled_from([0.0, 360.0, 45.0, -1e-9]), st.sampled_from([90.0, -90.0, 0.0, 41.8]))
    return anywhere | rows | beside | seams


RADII = st.one_of(
    st.floats(-4, 5.8).map(lambda exponent: 10.0**exponent),
    st.sampled_from([0.0, 1e-9, 180 * 3600.0, 17.1 * 3600]),
)


@given(st.lists(place(), min_size=1, max_size=20), RADII)
def test_a_search_finds_all_rows_within_the_radius_and_no_other(crowded, places, radius_arcsec):
    ra, dec = np.array(places).T
    expected = separations_arcsec(ra, dec, ROWS)
    found = crowded.cone_search(ra, dec, radius_arcsec, columns=["number"])
    for position, number in pairs(found) ^ set(zip(*np.nonzero(expected <= radius_arcsec), strict=True)):
        assert expected[position, number] == pytest.approx(radius_arcsec, abs=RIM_ARCSEC)
    assert found.separation_arcsec == pytest.approx(
        expected[found.position, found.values["number"]], abs=RIM_ARCSEC
    )
    assert np.all(np.lexsort((found.separation_arcsec, found.position)) == np.arange(len(found)))


@given(st.lists(place(), min_size=1, max_size=20), RADII)
def test_any_nearest_and_one_position_agree_with_all(crowded, places, radius_arcsec):
    ra, dec = np.array(places).T
    found = crowded.cone_search(ra, dec, radius_arcsec, columns=["number"])
    nearest = found.nearest()
    assert found.any().tolist() == [len(found.of(position)) > 0 for position in range(len(ra))]
    assert nearest.position.tolist() == np.flatnonzero(found.any()).tolist()
    for position in range(len(ra)):
        alone = crowded.cone_search(ra[position], dec[position], radius_arcsec, columns=["number"])
        assert alone.values["number"].tolist() == found.of(position).values["number"].tolist()
        assert alone.separation_arcsec.tolist() == found.of(position).separation_arcsec.tolist()
        assert nearest.of(position).separation_arcsec.tolist() == alone.separation_arcsec[:1].tolist()


@given(st.floats(10, 20), st.floats(10, 20))
def test_cuts_are_inclusive_and_absent_values_fail_them(crowded, low, high):
    cuts = (Cut("mag", low, None), Cut("mag", high=high))
    found = crowded.cone_search([0.0], [90.0], 7200, columns=["number", "mag"], cuts=cuts)
    is_near = separations_arcsec([0.0], [90.0], ROWS)[0] <= 7200
    passed = np.flatnonzero(is_near & (ROWS["mag"] >= low) & (ROWS["mag"] <= high))
    assert sorted(found.values["number"].tolist()) == passed.tolist()


def test_a_cut_without_limits_asks_for_presence(crowded):
    every = crowded.cone_search([0.0], [90.0], 7200, columns=["mag"])
    present = crowded.cone_search([0.0], [90.0], 7200, columns=["mag"], cuts=[Cut("mag")])
    assert 0 < len(present) == np.isfinite(every.values["mag"]).sum() < len(every)


def test_a_cut_counts_before_the_nearest_is_chosen(crowded):
    ra, dec = ROWS["ra"][0], ROWS["dec"][0]
    cut = Cut("number", low=1)
    assert crowded.cone_search(ra, dec, 3e4, columns=["number"]).nearest().values["number"].tolist() == [0]
    assert crowded.cone_search(ra, dec, 3e4, columns=["number"], cuts=[cut]).nearest().values["number"] > 0


@pytest.mark.parametrize(
    "ra, dec", [(np.nan, 0), (0, np.nan), (np.inf, 0), (0, -np.inf), (0, 90.1), (0, -400)]
)
def test_what_is_no_position_matches_nothing(crowded, ra, dec):
    found = crowded.cone_search([0.0, ra, 0.0], [0.0, dec, 0.0], 180 * 3600, columns=["name"])
    assert found.any().tolist() == [True, False, True]


def test_no_position_at_all_is_a_question_without_matches(crowded):
    found = crowded.cone_search([], [], 10, columns=["name", "mag", "number"])
    assert (found.asked, len(found), found.any().tolist()) == (0, 0, [])
    assert {name: values.dtype for name, values in found.values.items()} == {
        "name": np.dtype(object),
        "mag": np.dtype(float),
        "number": np.dtype(np.int64),
    }


def test_a_search_with_little_memory_finds_the_same(crowded):
    ra, dec = on_the_sphere(np.random.default_rng(1), 200)
    small = Catalogue.open(crowded.path, cache_bytes=1)
    assert pairs(small.cone_search(ra, dec, 9000, columns=["number"])) == pairs(
        crowded.cone_search(ra, dec, 9000, columns=["number"])
    )


def test_threads_share_a_catalogue(crowded):
    ra, dec = on_the_sphere(np.random.default_rng(2), 80)
    shared = Catalogue.open(crowded.path, cache_bytes=20_000)

    def search(part: slice) -> set[tuple[int, int]]:
        return pairs(shared.cone_search(ra[part], dec[part], 9000, columns=["number"]))

    parts = [slice(start, start + 10) for start in range(0, 80, 10)] * 4
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(search, parts)) == [search(part) for part in parts]


def test_a_catalogue_goes_to_another_process_by_its_path_and_is_opened_there_once(crowded):
    there, again = pickle.loads(pickle.dumps(crowded)), pickle.loads(pickle.dumps(crowded))
    assert there is again
    assert (there.path, there.digest) == (crowded.path, crowded.digest)


def test_unknown_columns_texts_under_a_cut_and_impossible_radii_are_told(crowded):
    with pytest.raises(
        SettingsError, match=r"^made: has no column 'z'; there are: ra, dec, number, mag, name$"
    ):
        crowded.cone_search([0], [0], 1, columns=["z"])
    with pytest.raises(SettingsError, match="has no column '_healpix_29'"):
        crowded.cone_search([0], [0], 1, cuts=[Cut("_healpix_29", 0, 1)])
    with pytest.raises(SettingsError, match="a cut needs numbers, and 'name' has texts"):
        crowded.cone_search([0], [0], 1, cuts=[Cut("name", 0, 1)])
    for radius in (-1, np.nan, np.inf):
        with pytest.raises(ValueError):
            crowded.cone_search([0], [0], radius)


def test_an_empty_catalogue_matches_nothing(tmp_path):
    empty = catalogue(tmp_path, {"ra": np.zeros(0), "dec": np.zeros(0), "name": np.zeros(0, str)})
    assert (empty.rows, empty.columns) == (0, ("ra", "dec", "name"))
    found = empty.cone_search([1, 2], [3, 4], 1e5, columns=["name"])
    assert (len(found), found.any().tolist(), len(found.nearest())) == (0, [False, False], 0)
    empty.verify()
