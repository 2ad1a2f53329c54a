"""LSST's fluxes are in nJy and signed; bad ones are masked."""

from __future__ import annotations

import math

import numpy as np
import pytest

from skymesh.surveys.lsst.photometry import MASKING_FLAGS, photometry, positions_deg
from skymesh_t2.units.difference_flux import DifferenceFlux
from support.lsst_packets import VISIT, dia_forced_source, dia_limit, dia_source, points


def of(**entries):
    """Photometry of history entries, without the trigger."""
    return photometry(points(**entries)[1:])


@pytest.mark.parametrize("flux", [7000.5, -7000.5, 0.0])
def test_a_flux_is_taken_as_it_is_with_its_sign(flux):
    found = of(history=[dia_source(psfFlux=flux)], forced=[dia_forced_source(psfFlux=flux)])
    assert found.flux_njy.tolist() == [flux, flux]
    assert found.flux_err_njy.tolist() == [250.25, 240.0]


def test_the_template_is_the_reference_and_a_depth_is_unknown():
    found = of(history=[dia_source(), dia_source(templateFlux=None)], forced=[dia_forced_source()])
    assert found.reference_njy[0] == 30000.0
    assert np.isnan(found.reference_njy[1:]).all()
    assert np.isnan(found.limit_njy).all()


@pytest.mark.parametrize("name", ["psfFlux", "psfFluxErr"])
@pytest.mark.parametrize("value", [None, math.nan, math.inf])
@pytest.mark.parametrize("kind", ["history", "forced"])
def test_missing_photometry_is_masked_with_its_error(name, value, kind):
    make = dia_source if kind == "history" else dia_forced_source
    found = of(**{kind: [make(**{name: value})]})
    assert np.isnan([found.flux_njy[0], found.flux_err_njy[0]]).all()


@pytest.mark.parametrize("err", [0.0, -1.0])
def test_an_error_that_is_none_masks_the_flux(err):
    assert np.isnan(of(history=[dia_source(psfFluxErr=err)]).flux_njy[0])


@pytest.mark.parametrize("flag", MASKING_FLAGS)
def test_a_fit_that_failed_or_lacked_pixels_is_masked(flag):
    found = of(history=[dia_source(**{flag: True}), dia_source(day=-4, **{flag: None})])
    assert np.isnan(found.flux_njy).tolist() == [True, False]
    assert found.reference_njy.tolist() == [30000.0, 30000.0]


@pytest.mark.parametrize(
    "flag", ["pixelFlags_cr", "shape_flag", "isNegative", "isDipole", "pixelFlags_streak"]
)
def test_other_flags_are_for_filters_to_judge(flag):
    assert of(history=[dia_source(**{flag: True})]).flux_njy[0] == 7000.5


@pytest.mark.parametrize(
    "noise, depth", [(100.0, 500.0), (0.0, math.nan), (-1.0, math.nan), (None, math.nan)]
)
def test_a_limit_is_five_times_the_noise_and_no_flux(noise, depth):
    found = of(limits=[dia_limit(diaNoise=noise)], version="7.4")
    assert np.isnan([found.flux_njy[0], found.flux_err_njy[0], found.reference_njy[0]]).all()
    assert found.limit_njy[0] == pytest.approx(depth, nan_ok=True)


def test_rows_keep_the_order_of_the_points_and_know_their_band():
    found = of(
        history=[dia_source(band=band, day=-n - 1) for n, band in enumerate("ugrizyx")]
        + [dia_source(band=None)]
    )
    assert found.band == ["lsstu", "lsstg", "lsstr", "lssti", "lsstz", "lssty", "unknown", "unknown"]


def test_an_image_is_one_look_by_visit_and_detector():
    found = of(
        history=[dia_source(), dia_source(day=-4, detector=43)],
        forced=[dia_forced_source(visit=VISIT - 3000), dia_forced_source(day=-1, visit=VISIT - 4000)],
    )
    first, second, same, other = found.exposure_key
    assert first == same
    assert len({first, second, other}) == 3


def test_without_visit_a_look_is_its_time():
    found = of(version="elasticc", history=[dia_source(visit=-1), dia_source(visit=-1, day=-4)])
    assert len(set(found.exposure_key)) == 2


@pytest.mark.parametrize(
    "prefer, kind, flux", [("forced", "forced", -125.5), ("difference", "detection", 7000.5)]
)
def test_the_light_curve_has_one_row_for_an_image(prefer, kind, flux):
    both = {"history": [dia_source(band="r")], "forced": [dia_forced_source(visit=VISIT - 3000)]}
    curve = DifferenceFlux(prefer=prefer).tabulate(points(**both)[1:])
    assert curve.flux_njy.tolist() == [flux]
    assert curve.kind.tolist() == [kind]
    assert curve.time_of.tolist() == ["middle"]


def test_no_points_give_no_rows():
    assert len(photometry([]).flux_njy) == 0


def test_only_sources_have_positions():
    ra, dec = positions_deg(points(history=[dia_source(ra=10.5, dec=-3.25)], forced=[dia_forced_source()]))
    assert ra[1] == 10.5
    assert dec[1] == -3.25
    assert np.isnan([ra[2], dec[2]]).all()
