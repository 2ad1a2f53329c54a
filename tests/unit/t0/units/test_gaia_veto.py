"""The star test by Gaia, on small catalogues made here."""

from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from skymesh.errors import MissingInputError
from skymesh.units import AlertTable, Verdict
from skymesh_t0.units.decent_filter import DecentFilter
from support.catalogue_rows import catalogue_of
from support.packets import JD, detection
from support.views import view

RA, DEC = 150.1, 2.2
KILONOVAE = {
    "min_ndet": 1, "min_tspan": -99, "max_tspan": 99, "min_rb": 0.3, "min_drb": 0.5, "max_fwhm": 5.5,
    "max_elong": 2, "max_magdiff": 1, "max_nbad": 2, "min_sso_dist": 20, "min_gal_lat": 14,
    "ps1_sgveto_rad": 1, "ps1_sgveto_th": 0.8, "ps1_confusion_rad": 3, "ps1_confusion_sg_tol": 0.1,
    "gaia_rs": 20, "gaia_pm_signif": 3, "gaia_plx_signif": 3, "gaia_veto_gmag_min": 9,
    "gaia_veto_gmag_max": 20, "gaia_excessnoise_sig_max": 999,
}  # fmt: skip
STAR = {"Mag_G": 18.0, "PMRA": 4.0, "ErrPMRA": 1.0, "PMDec": 0.0, "ErrPMDec": 1.0, "Plx": 0.0, "ErrPlx": 1.0,
        "ExcessNoiseSig": 0.0}  # fmt: skip
ALERT = view(ra=RA, dec=DEC, history=[detection(jd_utc=JD - 3)])


@pytest.fixture
def gaia(tmp_path):
    """Make a catalogue of sources, each so many arcsec north of the alert."""

    def make(*sources):
        rows = [STAR | {"ra": RA, "dec": DEC + source["arcsec"] / 3600} | source for source in sources]
        return catalogue_of(tmp_path, rows)

    return make


def judge(catalogue, **config):
    return DecentFilter(**KILONOVAE | config).accept(ALERT, gaia=catalogue)


def test_an_alert_on_a_star_is_rejected_with_its_distance(gaia):
    assert judge(gaia({"arcsec": 1.0})) == Verdict(False, "gaia_rs: 1")


def test_an_alert_without_sources_is_accepted(gaia):
    assert judge(gaia({"arcsec": 60.0})) == Verdict(True)


@pytest.mark.parametrize("mag_g, radius_arcsec", [(20, 2.40), (18, 3.39), (15, 8.68), (12, 31.5)])
def test_bright_stars_reach_farther(gaia, mag_g, radius_arcsec):
    assert not judge(gaia({"arcsec": radius_arcsec - 0.1, "Mag_G": mag_g}), gaia_rs=60).is_accepted
    assert radius_arcsec == pytest.approx(1.8 + 0.6 * math.exp((20 - mag_g) / 2.05), abs=0.05)


@pytest.mark.parametrize("mag_g, radius_arcsec", [(20, 2.40), (18, 3.39), (15, 8.68), (12, 31.5)])
def test_beyond_its_reach_a_star_is_no_reason(gaia, mag_g, radius_arcsec):
    assert judge(gaia({"arcsec": radius_arcsec + 0.1, "Mag_G": mag_g}), gaia_rs=60).is_accepted


@pytest.mark.parametrize("source, is_star", [
    ({"PMRA": 3.0}, False), ({"PMRA": 3.01}, True), ({"PMRA": -3.01}, True),
    ({"PMRA": 0.0, "PMDec": -3.01}, True), ({"PMRA": 0.0, "PMDec": 3.0}, False),
    ({"PMRA": 0.0, "Plx": 3.01}, True), ({"PMRA": 0.0, "Plx": 3.0}, False),
    ({"PMRA": 0.0, "Plx": -4.0}, True),
    ({"PMRA": None}, False), ({"ErrPMRA": None}, False), ({"ErrPMRA": 2.0}, False),
    ({"Mag_G": 9.0}, True), ({"Mag_G": 8.99}, False), ({"Mag_G": 20.0}, True), ({"Mag_G": 20.01}, False),
    ({"Mag_G": None}, False), ({"ExcessNoiseSig": 998.9}, True), ({"ExcessNoiseSig": 999.0}, False),
    ({"ExcessNoiseSig": None}, False),
])  # fmt: skip
def test_a_star_is_near_and_clean_and_moves_or_has_a_parallax(gaia, source, is_star):
    assert judge(gaia({"arcsec": 1.0} | source)).is_accepted is not is_star


def test_the_conditions_hold_for_one_source_and_not_for_two_together(gaia):
    near_but_still, moving_but_far = {"arcsec": 1.0, "PMRA": 0.0}, {"arcsec": 10.0}
    assert judge(gaia(near_but_still, moving_but_far)).is_accepted


def test_the_nearest_star_is_named(gaia):
    assert judge(gaia({"arcsec": 3.0}, {"arcsec": 2.0}, {"arcsec": 1.0, "PMRA": 0.0})).reason == "gaia_rs: 2"


def test_only_what_lies_within_the_radius_is_looked_at(gaia):
    assert judge(gaia({"arcsec": 3.0}), gaia_rs=2.9).is_accepted
    assert not judge(gaia({"arcsec": 3.0}), gaia_rs=3.1).is_accepted


def test_alerts_of_a_table_have_their_own_stars(gaia):
    catalogue = gaia({"arcsec": 1.0})
    elsewhere = view(ra=RA + 1, dec=DEC, history=[detection(jd_utc=JD - 3)])
    bogus = view(ra=RA, dec=DEC, rb=0.0)
    found = DecentFilter(**KILONOVAE).accept_table(
        AlertTable((elsewhere, bogus, ALERT, elsewhere)), catalogue
    )
    assert [verdict.reason for verdict in found] == ["", "min_rb: 0", "gaia_rs: 1", ""]


def test_columns_may_have_other_names(tmp_path):
    source = {"ra": RA, "dec": DEC} | {name.lower(): value for name, value in STAR.items()}
    names = {"mag_g": "mag_g", "pm_ra": "pmra", "pm_ra_err": "errpmra", "pm_dec": "pmdec",
             "pm_dec_err": "errpmdec", "parallax": "plx", "parallax_err": "errplx",
             "excess_noise_sig": "excessnoisesig"}  # fmt: skip
    catalogue = catalogue_of(tmp_path, [source])
    assert judge(catalogue, gaia_columns=names) == Verdict(False, "gaia_rs: 0")


@pytest.mark.parametrize("radius", [0, -999])
def test_without_a_radius_no_catalogue_is_needed(radius):
    assert judge(None, gaia_rs=radius) == Verdict(True)
    assert list(DecentFilter(**KILONOVAE | {"gaia_rs": radius}).problems({})) == []


def test_a_radius_without_a_catalogue_never_passes_in_silence(tmp_path):
    with pytest.raises(MissingInputError, match="gaia_rs > 0 needs a catalogue"):
        judge(None)
    (line,) = DecentFilter(**KILONOVAE).problems({})
    assert "gaia_rs > 0 needs a catalogue" in line
    gaia = catalogue_of(tmp_path, [{"ra": RA, "dec": DEC} | STAR])
    assert list(DecentFilter(**KILONOVAE).problems({"gaia": {"stars": gaia}})) == []
    (line,) = DecentFilter(**KILONOVAE, gaia_columns={"mag_g": "G"}).problems({"gaia": {"stars": gaia}})
    assert "'G'" in line


@pytest.mark.parametrize("name", sorted(KILONOVAE.keys() - {"min_drb"}))
def test_what_ampel_asks_for_must_be_given(name):
    with pytest.raises(ValidationError):
        DecentFilter(**{other: value for other, value in KILONOVAE.items() if other != name})
