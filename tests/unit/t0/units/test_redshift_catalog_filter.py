"""Transients near a galaxy whose redshift is in a range."""

from __future__ import annotations

import pytest

from skymesh.errors import MissingInputError
from skymesh.units import AlertTable, Verdict
from skymesh_t0.units.redshift_catalog_filter import RedshiftCatalogFilter
from support.catalogue_rows import catalogue_of
from support.views import view

RA, DEC = 150.1, 2.2
ALERT = view(ra=RA, dec=DEC)
NONE = Verdict(False, "catalog_match_radius: absent")


def too_far(arcsec):
    return Verdict(False, f"catalog_match_radius: {arcsec}")


@pytest.fixture
def galaxies(tmp_path):
    """Make a catalogue of galaxies: (arcsec north of the alert, redshift)."""

    def make(*found):
        rows = [{"ra": RA, "dec": DEC + arcsec / 3600, "z": z} for arcsec, z in found]
        return catalogue_of(tmp_path, rows)

    return make


def judge(catalogue, **config):
    unit = RedshiftCatalogFilter(max_tspan=25, min_rb=0.3, **config)
    return unit.accept(ALERT, galaxies=catalogue)


@pytest.mark.parametrize("arcsec, z, is_near", [
    (30, 0.01, True), (59.9, 0.01, True), (60.125, 0.01, False), (30, 0.002, True), (30, 0.00199, False),
    (30, 0.03, True), (30, 0.0301, False),
])  # fmt: skip
def test_the_galaxy_is_near_enough_and_in_the_range(galaxies, arcsec, z, is_near):
    rejected = NONE if arcsec < 60 else too_far(arcsec)
    assert judge(galaxies((arcsec, z))) == (Verdict(True) if is_near else rejected)


def test_a_rejection_tells_how_far_the_nearest_galaxy_of_the_range_is_if_it_is_not_out_of_sight(galaxies):
    assert judge(galaxies((500, 0.01), (75.5, 0.02), (1, 0.5))) == too_far(75.5)
    assert judge(galaxies((599, 0.01))) == too_far(599)
    assert judge(galaxies((601, 0.01))) == NONE


REQUIRED = {"max_tspan": 25, "min_rb": 0.3}


def test_any_galaxy_in_the_range_will_do(galaxies):
    assert judge(galaxies((1, 0.5), (2, None), (50, 0.02))).is_accepted
    assert judge(galaxies((1, 0.5), (2, None), (70, 0.02))) == too_far(70)


def test_radius_range_and_column_are_parameters(galaxies):
    assert judge(galaxies((1, 0.5)), min_z=0.4, max_z=0.6, catalog_match_radius=1.5).is_accepted
    assert judge(galaxies((2, 0.5)), min_z=0.4, max_z=0.6, catalog_match_radius=1.5) == too_far(2)


def test_the_decent_cuts_come_first(galaxies):
    unit, catalogue = RedshiftCatalogFilter(max_tspan=25, min_rb=0.3), galaxies((1, 0.01))
    table = AlertTable((view(ra=RA, dec=DEC, rb=0.1), ALERT, view(ra=RA + 1, dec=DEC)))
    assert list(unit.accept_table(table, catalogue)) == [Verdict(False, "min_rb: 0.1"), Verdict(True), NONE]


def test_it_does_not_run_without_its_catalogue(galaxies):
    with pytest.raises(MissingInputError):
        judge(None)
    given = {"galaxies": {"ned": galaxies((1, 0.5))}}
    assert len(list(RedshiftCatalogFilter(**REQUIRED).problems({}))) == 1
    assert list(RedshiftCatalogFilter(**REQUIRED).problems(given)) == []
    assert len(list(RedshiftCatalogFilter(**REQUIRED, gaia_rs=20).problems(given))) == 1
    (line,) = RedshiftCatalogFilter(**REQUIRED, catalog_zkey="redshift").problems(given)
    assert "'redshift'" in line
