"""The redshift of a host, from the best of the catalogues that have one."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from skymesh.errors import MissingInputError
from skymesh.runtime.execute import plain_content
from skymesh.units.unit import Maker
from skymesh_t2.units.catalog_match import CatalogMatch, CatalogMatches, CatalogSearch
from skymesh_t2.units.digest_redshifts import DigestRedshifts, HostRedshift, Match
from skymesh_t2.units.digest_redshifts.groups import RULES, estimates
from support.catalogue_rows import catalogue_of


def digest(*matches, **config):
    return DigestRedshifts(**config).digest([Match(*match) for match in matches])


# One line per rule of the table: catalogue, columns, distance in arcsec, group.
TABLE = [
    ("LSPhotoZTap", {"z_spec": 0.029}, 9.9, 1),
    ("LSPhotoZTap", {"z_spec": 0.03}, 10.0, 2),
    ("LSPhotoZTap", {"z_spec": 0.15}, 1.0, 3),
    ("LSPhotoZTap", {"z_spec": 0.4}, 1.0, 5),
    ("LSPhotoZTap", {"z_spec": 0.02}, 10.1, None),
    ("LSPhotoZTap", {"z_spec": -99.0, "z_phot_median": 0.09}, 1.0, 4),
    ("LSPhotoZTap", {"z_phot_median": 0.1}, 1.0, 5),
    ("LSPhotoZTap", {"z_phot_median": 0.2}, 1.0, 6),
    ("LSPhotoZTap", {"z_phot_median": 0.4}, 1.0, 7),
    ("LSPhotoZTap", {"z_phot_median": 0.4}, 10.5, None),
    ("NEDz_extcats", {"z": 0.02}, 1.9, 1),
    ("NEDz_extcats", {"z": 0.02}, 2.0, 3),
    ("NEDz_extcats", {"z": 0.04}, 1.0, 3),
    ("NEDz_extcats", {"z": 0.05}, 1.0, 4),
    ("NEDz_extcats", {"z": 0.02}, 20.0, 4),
    ("SDSS_spec", {"z": 0.3}, 9.9, 2),
    ("SDSS_spec", {"z": 0.3}, 10.0, None),
    ("GLADEv23", {"z": 0.049}, 9.9, 3),
    ("GLADEv23", {"z": 0.05}, 9.9, 4),
    ("GLADEv23", {"z": 0.01}, 10.0, None),
    ("GLADEv23", {"z": None}, 1.0, None),
    ("LSPhotoZZou", {"specz": 0.14}, 9.9, 2),
    ("LSPhotoZZou", {"specz": 0.14}, 10.0, 3),
    ("LSPhotoZZou", {"specz": 0.19}, 1.0, 3),
    ("LSPhotoZZou", {"specz": 0.2}, 1.0, 5),
    ("LSPhotoZZou", {"specz": -1.0, "photoz": 0.09}, 25.0, 4),
    ("LSPhotoZZou", {"photoz": 0.19}, 1.0, 5),
    ("LSPhotoZZou", {"photoz": 0.39}, 1.0, 6),
    ("LSPhotoZZou", {"photoz": 0.4}, 1.0, 7),
    ("wiseScosPhotoz", {"zPhoto_Corr": 0.19}, 9.0, 5),
    ("wiseScosPhotoz", {"zPhoto_Corr": 0.2}, 9.0, 6),
    ("twoMPZ", {"zPhoto": 0.029}, 9.0, 3),
    ("twoMPZ", {"zPhoto": 0.03}, 9.0, 4),
    ("twoMPZ", {"zSpec": 0.9}, 9.0, 2),
    ("PS1_photoz", {"z_phot": 99}, 9.0, 4),
    ("PS1_photoz", {"z_phot": 199}, 9.0, 5),
    ("PS1_photoz", {"z_phot": 399}, 9.0, 6),
    ("PS1_photoz", {"z_phot": 400}, 9.0, 7),
    ("PS1_photoz", {"z_phot": -999}, 9.0, None),
    ("NEDz", {"z": 0.39}, 9.9, 3),
    ("NEDz", {"z": 0.4}, 9.9, None),
    ("NEDz", {"z": 0.3}, 10.0, None),
    ("BTS", {"redshift": "0.0342"}, 0.5, 1),
    ("BTS", {"redshift": "0.034"}, 0.5, 2),
    ("BTS", {"redshift": "0.123"}, 1.0, 1),
    ("BTS", {"redshift": "-"}, 0.5, None),
    ("BTS", {"redshift": 0.0123}, 0.5, 1),
    ("DESIDR1", {"z": 0.1}, 1.0, None),
    ("GLADEv23", {"z": True}, 1.0, None),
    ("GLADEv23", {"z": math.nan}, 1.0, None),
    ("GLADEv23", {"z": "unknown"}, 1.0, None),
    ("GLADEv23", {}, 1.0, None),
]


@pytest.mark.parametrize("catalogue, values, distance, group", TABLE)
def test_each_redshift_belongs_to_its_group(catalogue, values, distance, group):
    match = (catalogue, distance, values)
    if group is None:
        with pytest.raises(MissingInputError):
            digest(match, max_group=7)
        return
    found = digest(match, max_group=7)
    assert found.group == group
    assert found.distance_arcsec == distance
    assert found.precision == (3e-4, 3e-3, 0.01, 0.02, 0.04, 0.1, 0.3)[group - 1]
    assert [bool(group) for group in found.group_redshifts] == [n == group - 1 for n in range(7)]


def test_the_table_covers_every_rule():
    assert {catalogue for catalogue, *_ in TABLE} >= set(RULES)


def test_millis_of_a_redshift_are_redshifts():
    assert digest(("PS1_photoz", 1.0, {"z_phot": 50}), max_group=4).redshift == pytest.approx(0.05)


def test_the_redshift_is_the_plain_mean_of_the_best_group():
    found = digest(
        ("SDSS_spec", 3.0, {"z": 0.06}),
        ("twoMPZ", 6.0, {"zSpec": 0.08, "zPhoto": 0.5}),
        ("GLADEv23", 1.0, {"z": 0.9}),
        max_group=7,
    )
    assert (found.redshift, found.group) == (pytest.approx(0.07), 2)
    assert found.distance_arcsec == pytest.approx(4.5)
    assert found.catalogues == ("SDSS_spec", "twoMPZ")
    assert found.group_redshifts == ((), (0.06, 0.08), (), (0.9, 0.5), (), (), ())
    assert found.group_distances_arcsec == ((), (3.0, 6.0), (), (1.0, 6.0), (), (), ())


def test_worse_groups_than_allowed_do_not_count():
    match = ("wiseScosPhotoz", 2.0, {"zPhoto_Corr": 0.1})
    assert digest(match, max_group=5).group == 5
    with pytest.raises(MissingInputError, match="groups 1 to 3"):
        digest(match)


def test_without_any_match_the_input_is_missing():
    with pytest.raises(MissingInputError):
        digest()


def test_an_override_makes_the_group_and_keeps_its_distance():
    override = {"column": "z_best", "max_distance_arcsec": 5, "max_redshift": 0.2, "group": 1}
    config = {"overrides": {"DESIDR1": override}}
    found = digest(("DESIDR1", 4.0, {"z_best": 0.1}), ("SDSS_spec", 1.0, {"z": 0.5}), **config)
    assert (found.redshift, found.group, found.distance_arcsec) == (0.1, 1, 4.0)
    for distance, redshift in ((5.0, 0.1), (4.0, 0.2)):
        with pytest.raises(MissingInputError):
            digest(("DESIDR1", distance, {"z_best": redshift}), **config)


def test_an_override_stands_in_place_of_the_built_in_rules():
    override = {"column": "z", "max_distance_arcsec": 1, "max_redshift": 1, "group": 1}
    with pytest.raises(MissingInputError):
        digest(("SDSS_spec", 5.0, {"z": 0.1}), overrides={"SDSS_spec": override})


def test_zero_is_a_redshift():
    found = digest(("SDSS_spec", 0.0, {"z": 0.0}))
    assert (found.redshift, found.distance_arcsec) == (0.0, 0.0)


def test_host_colours_are_those_of_positive_magnitudes_nearby():
    known = ("SDSS_spec", 1.0, {"z": 0.1})
    ps1 = {"gPSFMag": 18.0, "rPSFMag": 17.5, "iPSFMag": -999.0, "zPSFMag": 17.0}
    found = digest(known, ("PS1", 9.0, ps1), ("WISE", 2.9, {"Mag_W1": 14.0, "Mag_W2": 13.25}))
    assert found.host_colours_mag == {"g-r": 0.5, "w1-w2": 0.75}
    assert digest(known, ("PS1", 10.0, ps1), ("WISE", 3.0, {"Mag_W1": 14.0})).host_colours_mag == {}


def test_matches_of_catalogues_are_digested_the_nearest_or_all():
    near, far = {"z": 0.01, "separation_arcsec": 3.0}, {"z": 0.03, "separation_arcsec": 5.0}
    nearest = {"SDSS_spec": near, "GLADEv23": None}
    found = DigestRedshifts().run(CatalogMatches(nearest=nearest, within={}))
    assert (found.redshift, found.distance_arcsec) == (0.01, 3.0)
    every = DigestRedshifts().run(CatalogMatches(nearest=nearest, within={"SDSS_spec": (near, far)}))
    assert (every.redshift, every.distance_arcsec) == (pytest.approx(0.02), 4.0)


@pytest.mark.parametrize("config", [{"max_group": 0}, {"max_group": 8}, {"group_precision": [0.1]},
                                    {"overrides": {"X": {"column": "z"}}}])  # fmt: skip
def test_impossible_parameters_are_refused(config):
    with pytest.raises(ValidationError):
        DigestRedshifts(**config)


@pytest.fixture
def galaxies(tmp_path):
    return catalogue_of(tmp_path, [{"ra": 150.0, "dec": 2.0, "z": 0.1, "z_best": 0.1}])


def problems(catalogue, *, of="galaxies", columns=None, **config):
    """What is wrong with a digest of one match of a catalogue that is called `of`."""
    match = CatalogMatch(catalogs={of: CatalogSearch(rs_arcsec=10, keys_to_append=columns)})
    maker = Maker(match, {"catalogues": {of: catalogue}})
    return list(DigestRedshifts(**config).problems({"matches": {"match": maker}}))


def override(name="galaxies", column="z_best", group=1):
    limits = {"max_distance_arcsec": 5, "max_redshift": 0.2}
    return {"overrides": {name: {"column": column, "group": group, **limits}}}


def test_what_has_a_rule_or_an_override_is_no_problem(galaxies):
    assert problems(galaxies, of="SDSS_spec") == []
    assert problems(galaxies, of="SDSS_spec", columns=("z",)) == []
    assert problems(galaxies, **override()) == []
    assert problems(galaxies, columns=("z_best",), **override()) == []
    assert problems(galaxies, **override(group=5), max_group=5) == []


def test_an_override_of_what_no_match_tells_is_a_problem(galaxies):
    (line,) = problems(galaxies, of="SDSS_spec", **override("GLADE", "z"))
    assert line == (
        "overrides.GLADE: no match tells GLADE.z; they tell: "
        "SDSS_spec.ra, SDSS_spec.dec, SDSS_spec.z, SDSS_spec.z_best"
    )
    line, _ = problems(galaxies, columns=("z",), **override())
    assert line == "overrides.galaxies: no match tells galaxies.z_best; they tell: galaxies.z"


@pytest.mark.parametrize("of, columns, config", [
    ("galaxies", None, {}), ("SDSS_spec", ("z_best",), {}), ("SDSS_spec", (), {}), ("BTS", None, {}),
    ("wiseScosPhotoz", ("zPhoto_Corr",), {}), ("galaxies", None, override(group=4)),
    ("SDSS_spec", None, {"max_group": 1}),
])  # fmt: skip
def test_a_digest_of_no_redshift_that_could_count_is_a_problem(galaxies, of, columns, config):
    (line,) = problems(galaxies, of=of, columns=columns, **config)
    assert line.startswith(f"no redshift of {of} belongs to groups 1 to ")


COLUMNS = sorted({rule.column for rules in RULES.values() for rule in rules} | {"redshift"})
VALUES = st.one_of(st.none(), st.booleans(), st.floats(), st.floats(0, 1), st.integers(), st.text(max_size=6))
MATCHES = st.lists(
    st.tuples(
        st.sampled_from([*RULES, "BTS", "PS1", "WISE", "other"]),
        st.floats(0, 60),
        st.dictionaries(st.sampled_from([*COLUMNS, "Mag_W1", "Mag_W2", "gPSFMag", "rPSFMag"]), VALUES),
    ),
    max_size=8,
)


@given(MATCHES, st.randoms(use_true_random=False))
def test_any_matches_give_finite_numbers_or_are_missing_in_any_order(matches, random):
    has_any = any(True for match in matches for _ in estimates(*match))
    if not has_any:
        with pytest.raises(MissingInputError):
            digest(*matches, max_group=7)
        return
    found = plain_content(digest(*matches, max_group=7), HostRedshift)
    json.dumps(found, allow_nan=False)
    shuffled = matches.copy()
    random.shuffle(shuffled)
    again = plain_content(digest(*shuffled, max_group=7), HostRedshift)
    assert {**again, "group_redshifts": 0, "group_distances_arcsec": 0, "host_colours_mag": 0} == {
        **found, "group_redshifts": 0, "group_distances_arcsec": 0, "host_colours_mag": 0,
    }  # fmt: skip
