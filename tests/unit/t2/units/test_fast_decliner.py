"""Fast decliners: the slope between the two newest detections of a band."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from skymesh_t1.muxing import mux
from skymesh_t2.units.difference_flux import DifferenceFlux
from skymesh_t2.units.fast_decliner import FastDecliner
from support import lsst_packets, packets
from support.curves import curve, flux_curve


def decline(rows, **config):
    return FastDecliner(**config).run(curve(rows))


def test_the_rate_is_magnitudes_per_day_between_the_newest_two():
    found = decline([(-9, "ztfg", 15.0), (0, "ztfg", 18.0), (0.5, "ztfg", 18.25)])
    assert found.rate_mag_per_day == {"ztfg": pytest.approx(0.5)}
    assert found.gap_days == {"ztfg": pytest.approx(0.5)}
    assert found.fastest_mag_per_day == pytest.approx(0.5)
    assert found.fast


@pytest.mark.parametrize(
    "gap, counts", [(0.25, False), (0.2500001, True), (1.0, True), (1.9999999, True), (2.0, False)]
)
def test_the_limits_of_the_gap_are_exclusive(gap, counts):
    found = decline([(0, "ztfg", 18.0), (gap, "ztfg", 19.0)], min_gap_days=0.25, max_gap_days=2.0)
    assert ("ztfg" in found.rate_mag_per_day) is counts
    assert found.fast is counts


def test_fast_means_faster_than_the_limit_and_not_equal_to_it():
    rate = decline([(0, "ztfg", 18.0), (1, "ztfg", 18.5)]).fastest_mag_per_day
    assert not decline([(0, "ztfg", 18.0), (1, "ztfg", 18.5)], min_rate_mag_per_day=rate).fast
    assert decline([(0, "ztfg", 18.0), (1, "ztfg", 18.5)], min_rate_mag_per_day=rate - 1e-9).fast


def test_a_riser_has_a_negative_rate_and_is_not_fast():
    found = decline([(0, "ztfg", 19.0), (1, "ztfg", 18.0)])
    assert found.fastest_mag_per_day == pytest.approx(-1.0)
    assert not found.fast


def test_each_band_stands_alone_and_the_fastest_decides():
    found = decline([(0, "ztfg", 18.0), (0.1, "ztfr", 18.0), (1, "ztfg", 18.05), (1.1, "ztfr", 18.75)])
    assert found.rate_mag_per_day == {"ztfg": pytest.approx(0.05), "ztfr": pytest.approx(0.75)}
    assert found.fastest_mag_per_day == pytest.approx(0.75)
    assert found.fast


def test_fluxes_fainter_than_the_template_do_not_count():
    found = decline([(0, "ztfg", 18.0), (0.5, "ztfg", -18.0), (1, "ztfg", 18.5)])
    assert found.rate_mag_per_day == {"ztfg": pytest.approx(0.5)}


def test_masked_rows_do_not_count():
    found = decline([(0, "ztfg", 18.0), (0.5, "ztfg", None), (1, "ztfg", 18.5), (1.5, "ztfg", None)])
    assert found.gap_days == {"ztfg": pytest.approx(1.0)}


@pytest.mark.parametrize("rows", [[], [(0, "ztfg", 18.0)], [(0, "ztfg", 18.0), (1, "ztfr", 19.0)],
                                  [(0, "ztfg", -18.0), (1, "ztfg", -19.0)]])  # fmt: skip
def test_without_two_detections_in_a_band_nothing_is_fast(rows):
    found = decline(rows)
    assert not found.fast
    assert found.rate_mag_per_day == {}
    assert found.fastest_mag_per_day is None


@given(st.floats(15, 20), st.floats(-2, 2), st.floats(0.11, 1.99))
def test_the_rate_times_the_gap_is_the_difference(mag, difference, gap):
    found = decline([(0, "ztfg", mag), (gap, "ztfg", mag + difference)])
    product = found.rate_mag_per_day["ztfg"] * found.gap_days["ztfg"]
    assert product == pytest.approx(difference, abs=1e-8)


def test_a_flux_counts_from_so_many_errors_on():
    rows = [(0, "ztfg", 1200.0, 100.0), (1, "ztfg", 300.0, 100.0), (1.5, "ztfg", 299.0, 100.0)]
    found = FastDecliner().run(flux_curve(rows))
    assert found.gap_days == {"ztfg": pytest.approx(1.0)}
    assert found.rate_mag_per_day == {"ztfg": pytest.approx(2.5 * math.log10(4))}
    assert FastDecliner(min_snr=2.9).run(flux_curve(rows)).gap_days == {"ztfg": pytest.approx(0.5)}


def test_noise_of_forced_photometry_is_no_detection():
    noise = [packets.forced(jd_utc=packets.JD - day, counts=40.0, counts_err=50.0) for day in (1.5, 0.5)]
    history = [packets.detection(jd_utc=packets.JD - 1, magpsf=19.0)]
    alert = packets.points(history=history, forced=noise, magpsf=19.25)
    found = FastDecliner().run(DifferenceFlux().tabulate(mux(alert, packets.PUBLIC)))
    assert found.rate_mag_per_day == {"ztfg": pytest.approx(0.25, abs=1e-5)}
    assert found.gap_days == {"ztfg": pytest.approx(1.0, abs=1e-8)}


@pytest.mark.shared_data
def test_noise_of_real_forced_photometry_makes_nothing_fast(shared_data):
    path = shared_data / "lsst" / "real_native" / "rubin_ddf_20260310.v10_0.avro"
    fast, of_noise = 0, 0
    for alert in packets.ingested(path.read_bytes(), path.name):
        curve = DifferenceFlux().tabulate(mux(alert.points, lsst_packets.PUBLIC))
        found = FastDecliner().run(curve)
        assert found == FastDecliner(min_snr=0).run(curve[curve.flux_njy >= 3 * curve.flux_err_njy])
        fast += found.fast
        of_noise += FastDecliner(min_snr=0).run(curve).fast and not found.fast
    assert fast > 0
    assert of_noise > 0


@pytest.mark.parametrize("config", [{"min_gap_days": -1}, {"max_gap_days": 0}, {"min_trange": 0.1}])
def test_impossible_parameters_are_refused(config):
    with pytest.raises(ValidationError):
        FastDecliner(**config)
