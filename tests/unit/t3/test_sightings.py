"""How an object looked when it was last detected, whatever photometry stands in its light curve."""

from __future__ import annotations

import numpy as np
import pytest

from skymesh.units import DataPoints
from skymesh_t1.muxing import mux
from skymesh_t2.units.difference_flux import DifferenceFlux
from skymesh_t3.sightings import sighting_of
from support import lsst_packets, packets
from support.packets import ingested


def seen(points, labels=lsst_packets.PUBLIC, **config):
    muxed = mux(points, labels)
    return sighting_of(DataPoints(muxed), DifferenceFlux(**config).tabulate(muxed))


def forced(day, flux_njy):
    return lsst_packets.dia_forced_source(day=day, band="g", psfFlux=flux_njy, psfFluxErr=250.0)


def test_forced_photometry_in_place_of_the_newest_detection_says_how_bright_it_was():
    points = lsst_packets.points(
        history=[lsst_packets.dia_source(day=-3.0)], forced=[forced(-3.0, 6000.0), forced(0.0, 9000.0)]
    )
    found = seen(points)
    assert (found.mjd_tai, found.band, found.flux_njy) == (lsst_packets.MJD, "lsstg", 9000.0)
    assert found.mag_err_ab == pytest.approx(2.5 / np.log(10) * 250 / 9000)
    assert seen(points, prefer="difference").flux_njy == 7000.5


def test_forced_photometry_after_the_newest_detection_is_no_detection():
    found = seen(lsst_packets.points(forced=[forced(1.0, 9000.0)]))
    assert (found.mjd_tai, found.flux_njy) == (lsst_packets.MJD, 7000.5)


def test_a_row_of_the_same_time_in_another_band_is_another_exposure():
    other = lsst_packets.dia_forced_source(day=0.0, band="r", psfFlux=9000.0)
    assert seen(lsst_packets.points(forced=[other])).flux_njy == 7000.5


def test_where_the_curve_has_no_row_the_detection_itself_tells():
    muxed = mux(lsst_packets.points(), lsst_packets.PUBLIC)
    found = sighting_of(DataPoints(muxed), DifferenceFlux().tabulate([]))
    assert (found.mjd_tai, found.time_of, found.flux_njy) == (lsst_packets.MJD, "middle", 7000.5)


def test_a_detection_without_usable_flux_is_passed_over_and_a_curve_without_any_has_none():
    history = [packets.detection(jd_utc=packets.JD - 3, magpsf=18.0)]
    trigger = packets.candidate(sigmapsf=0.0)
    both = packets.points(history=history, trigger=trigger)
    found = seen(both, packets.PUBLIC)
    assert (found.mag_ab, found.survey) == (pytest.approx(18.0), "ztf")
    assert seen(packets.points(trigger=trigger), packets.PUBLIC) is None


def test_a_flux_below_the_template_has_no_magnitude():
    found = seen(lsst_packets.points(psfFlux=-500.0))
    assert (found.flux_njy, found.mag_ab, found.mag_err_ab) == (-500.0, None, None)


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["rubin_ddf_20260306", "rubin_20251231_a", "rubin_ddf_20260310"])
def test_real_alerts_are_told_with_time_and_band_of_their_newest_detection(shared_data, name):
    path = shared_data / "lsst" / "real_native" / f"{name}.v10_0.avro"
    stocks = set()
    for alert in ingested(path.read_bytes(), path.name):
        found = seen(alert.points)
        if found is not None:
            newest = max(alert.points, key=lambda p: (p.kind == "detection", p.mjd_tai))
            assert found.mjd_tai == newest.mjd_tai
            stocks.add(alert.stock)
            if alert.stock == "lsst:313897383979122767":
                assert (round(found.mjd_tai, 2), found.band) == (61105.09, "lssti")
    assert len(stocks) >= 5
