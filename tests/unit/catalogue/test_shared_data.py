"""Real catalogues: imported whole, and searched as astropy would."""

from __future__ import annotations

import numpy as np
import pytest

from skymesh.catalogue import Catalogue, Cut
from skymesh.catalogue.importing import import_catalogue
from skymesh.errors import SettingsError
from support.catalogues import on_the_sphere, separations_arcsec

REAL = {
    "gwgc_good.csv.gz": ("RAJ2000", "DEJ2000", 47_177),
    "gcvs.parquet": ("ra", "dec", 59_099),
    "4LAC-DR3-h.fits": ("RAJ2000", "DEJ2000", 3_407),
    "ztf_dr5_000250_zg_c01_q1.parquet": ("objra", "objdec", 5_449),
    "gll_psc_v27.csv": ("ra", "dec", 3_637),
    "CLU_mini.csv": ("ra", "dec", 10),
}


def made(shared_data, tmp_path, name: str) -> Catalogue:
    ra, dec, _ = REAL[name]
    source = shared_data / "catalogs" / name
    return import_catalogue(source, tmp_path / "made", ra_column=ra, dec_column=dec).catalogue


@pytest.mark.parametrize("name", REAL)
def test_real_catalogues_are_imported_whole_and_searched_rightly(shared_data, tmp_path, name):
    found = made(shared_data, tmp_path, name)
    assert found.rows == REAL[name][2]
    whole = found.cone_search([0], [0], 180 * 3600, columns=found.columns)
    places = {"ra": whole.values[found.ra_column], "dec": whole.values[found.dec_column]}
    rng = np.random.default_rng(6)
    ra, dec = on_the_sphere(rng, 20)
    beside = rng.integers(0, found.rows, 20)
    ra = np.append(ra, places["ra"][beside] + 1e-4)
    dec = np.append(dec, places["dec"][beside])
    for radius_arcsec in (1, 60, 7200):
        expected = (separations_arcsec(ra, dec, places) <= radius_arcsec).sum(axis=1)
        matches = found.cone_search(ra, dec, radius_arcsec)
        assert [len(matches.of(position)) for position in range(40)] == expected.tolist()
    found.verify()


def test_andromeda_is_where_it_is(shared_data, tmp_path):
    galaxies = made(shared_data, tmp_path, "gwgc_good.csv.gz")
    found = galaxies.cone_search(
        10.68471, 41.26875, 60, columns=["NED_name", "Dist"], cuts=[Cut("Dist", 0, 1)]
    )
    assert found.nearest().values["NED_name"].tolist() == ["NGC0224"]
    assert found.nearest().values["Dist"][0] == pytest.approx(0.79, abs=0.05)


@pytest.mark.parametrize("name, ra, dec", [("OpenNGC.csv.gz", "RA", "Dec"), ("3hsp.csv", "R.A.", "Dec")])
def test_hours_and_minutes_are_no_degrees(shared_data, tmp_path, name, ra, dec):
    with pytest.raises(SettingsError, match=rf"{name}: column '{ra}' holds no numbers, as degrees would be$"):
        import_catalogue(shared_data / "catalogs" / name, tmp_path / "made", ra_column=ra, dec_column=dec)
