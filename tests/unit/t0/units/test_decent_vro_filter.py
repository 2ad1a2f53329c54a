"""Every cut of the filter for Rubin: at its limit, beyond it, and on real alerts."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from skymesh.errors import MissingInputError
from skymesh.model.alert import Alert
from skymesh.surveys import registry
from skymesh.units import AlertTable, Verdict
from skymesh_t0.units.decent_vro_filter import DecentVroFilter, Look, thinned
from skymesh_t0.units.rubin_flags import FLAGS
from skymesh_t0.verdicts import view_of
from support.catalogue_rows import catalogue_of
from support.packets import ingested
from support.rubin_views import MJD, PUBLIC, dia_source, rubin_view
from support.views import view

OPEN = {"min_ndet": 1, "min_tspan": -99, "max_tspan": 999, "min_abs_gal_lat": -1, "gaia_rs": 0}
DAY_3 = [dia_source(mjd_tai=MJD - 3)]
OLDER = [*DAY_3, dia_source(mjd_tai=MJD - 4)]


def judge(alert, **config):
    return DecentVroFilter(**OPEN | config).accept(rubin_view(**{"history": DAY_3} | alert))


def test_a_good_alert_is_accepted():
    assert judge({}) == Verdict(True)


def before(days=3, **values):
    return {"history": [dia_source(mjd_tai=MJD - days, **values)]}


CUTS = [
    # parameters, an alert at the limit, an alert beyond it, the reason
    ({"min_reliability": 0.7}, {"reliability": 0.7}, {"reliability": 0.69}, "min_reliability: 0.69"),
    ({"min_reliability": 0.7}, {}, {"reliability": None}, "min_reliability: absent"),
    ({"check_flags": ["pixelFlags_cr", "psfFlux_flag"]}, {"pixelFlags_bad": True},
     {"psfFlux_flag": True, "pixelFlags_cr": True}, "check_flags: pixelFlags_cr psfFlux_flag"),
    ({"check_flags": "all"}, {}, {"glint_trail": True}, "check_flags: glint_trail"),
    ({"count_only_positive": True}, {}, {"isNegative": True}, "count_only_positive: isNegative = true"),
    ({"min_ndet": 3}, {"history": OLDER}, {}, "min_ndet: 2"),
    ({"min_ndet": 2, "count_only_positive": True}, {}, before(isNegative=True), "min_ndet: 1"),
    ({"min_ndet": 2, "min_ndet_snr": 5.1}, before(snr=5.1), before(snr=5.0), "min_ndet: 1"),
    ({"min_ndet": 2, "min_ndet_snr": 5}, {}, before(snr=None), "min_ndet: 1"),
    ({"min_ndet": 2, "min_reliability_per_source": 0.6}, before(reliability=0.6), before(reliability=0.5),
     "min_ndet: 1"),
    ({"min_ndet": 2, "min_reliability_per_source": 0.6}, {}, before(reliability=None), "min_ndet: 1"),
    ({"min_ndet": 2, "check_flags_per_source": ["shape_flag"]}, before(pixelFlags=True),
     before(shape_flag=True), "min_ndet: 1"),
    ({"min_ndet": 2, "min_ndet_cadence": 3}, {}, before(days=2.875), "min_ndet: 1"),
    ({"max_ndet": 2}, {}, {"history": OLDER}, "max_ndet: 3"),
    ({"min_n_filters": 2}, before(band="i"), {}, "min_n_filters: 1"),
    ({"min_n_filters": 2, "min_ndet_snr": 5}, before(band="i"), before(band="i", snr=4.0),
     "min_n_filters: 1"),
    ({"min_tspan": 3}, {}, before(days=2.875), "min_tspan: 2.875"),
    ({"max_tspan": 3}, {}, before(days=3.125), "max_tspan: 3.125"),
    ({"min_visit_sep": 3}, {}, before(days=2.875), "min_visit_sep: 2.875"),
    ({"min_visit_sep": 4}, before(band="g"), {}, "min_visit_sep: 3"),
]  # fmt: skip


@pytest.mark.parametrize("config, at_limit, beyond, reason", CUTS)
def test_a_cut_accepts_at_its_limit_and_rejects_beyond_it(config, at_limit, beyond, reason):
    assert judge(at_limit, **config) == Verdict(True)
    assert judge(beyond, **config) == Verdict(False, reason)


def test_the_galactic_plane_is_cut_out():
    plane = {"ra": 105.0, "dec": -1.5}
    assert judge(plane).is_accepted
    assert judge(plane, min_abs_gal_lat=2).reason.startswith("min_abs_gal_lat: 1.")
    assert judge({}, min_abs_gal_lat=42).is_accepted


def test_a_withdrawn_source_does_not_count():
    withdrawn = {"history": [dia_source(mjd_tai=MJD - 3, timeWithdrawnMjdTai=MJD - 1)]}
    assert judge(withdrawn, min_ndet=2) == Verdict(False, "min_ndet: 1")
    assert judge({"history": OLDER}, min_tspan=4).is_accepted
    assert judge(withdrawn, min_tspan=1) == Verdict(False, "min_tspan: 0")


def test_two_sources_of_one_visit_and_detector_are_one_look():
    twice = [dia_source(mjd_tai=MJD - 3), dia_source(mjd_tai=MJD - 3, diaSourceId=99)]
    assert judge({"history": twice}, min_ndet=3) == Verdict(False, "min_ndet: 2")


def test_a_bad_detection_does_not_hide_a_good_one_of_the_same_night():
    night = [dia_source(mjd_tai=MJD - 3.01, snr=1.0), dia_source(mjd_tai=MJD - 3)]
    assert judge({"history": night}, min_ndet=2, min_ndet_cadence=0.5, min_ndet_snr=5).is_accepted
    assert judge({"history": night}, min_ndet=3, min_ndet_cadence=0.5).reason == "min_ndet: 2"


def test_what_belongs_to_no_dia_object_is_rejected():
    assert judge({"dia_object_id": None}) == Verdict(False, "diaObjectId: absent")


def test_a_shaped_alert_is_accepted_by_position():
    # AMPEL's first LSST filter asked for a declination under a name that no shaped alert has.
    assert rubin_view().value("dec") == 2.2
    assert judge({}, min_abs_gal_lat=10).is_accepted


@pytest.mark.parametrize("name, config, cut", [
    ("reliability", {"min_reliability": 0.1}, "min_reliability: 0"),
    ("snr", {"min_ndet_snr": 0, "min_ndet": 2}, ""),
])  # fmt: skip
def test_zero_is_a_value(name, config, cut):
    assert judge({name: 0.0}, **config).reason == cut


def test_alerts_of_ztf_are_not_for_it():
    assert DecentVroFilter(**OPEN).accept(view()) == Verdict(False, "not_for_this_survey")


def test_stars_of_gaia_are_rejected(tmp_path):
    star = {"ra": 150.1, "dec": 2.2, "Mag_G": 18, "PMRA": 9, "ErrPMRA": 1, "PMDec": 0, "ErrPMDec": 1,
            "Plx": 0, "ErrPlx": 1, "ExcessNoiseSig": 0}  # fmt: skip
    unit, catalogue = DecentVroFilter(**OPEN | {"gaia_rs": 20}), catalogue_of(tmp_path, [star])
    assert unit.accept(rubin_view(), gaia=catalogue) == Verdict(False, "gaia_rs: 0")
    assert unit.accept(rubin_view(dec=3.0), gaia=catalogue).is_accepted
    with pytest.raises(MissingInputError):
        unit.accept(rubin_view())
    assert len(list(unit.problems({}))) == 1


@given(st.lists(st.floats(0, 9), max_size=12), st.floats(0, 3))
def test_thinned_looks_are_as_far_apart_and_none_is_left_out_without_cause(times, cadence):
    looks = [Look(time, None) for time in sorted(times)]
    kept = [look.mjd_tai for look in thinned(looks, cadence)]
    assert all(gap >= cadence for gap in np.diff(kept))
    for look in looks:
        assert look.mjd_tai in kept or any(0 <= look.mjd_tai - other < cadence for other in kept)


POOL = [rubin_view(), rubin_view(dia_object_id=None), view()]
POOL += [rubin_view(**{"history": DAY_3} | beyond) for _, _, beyond, _ in CUTS]
CONFIGS = [config for config, *_ in CUTS]


@given(st.lists(st.sampled_from(POOL), max_size=8), st.lists(st.sampled_from(CONFIGS), max_size=4))
def test_a_table_is_judged_as_its_alerts_are_one_by_one(alerts, configs):
    unit = DecentVroFilter(**OPEN | {key: value for config in configs for key, value in config.items()})
    assert list(unit.accept_table(AlertTable(tuple(alerts)))) == [unit.accept(alert) for alert in alerts]


def test_every_flag_is_a_field_of_the_survey():
    assert set(FLAGS) <= set(registry.get("lsst").fields("detection"))
    assert DecentVroFilter(**OPEN, check_flags="all").check_flags == FLAGS


@pytest.mark.parametrize("config", [
    {"check_flags": ["psfFlux_flags"]}, {"check_flags": "some"}, {"min_ndet": -1}, {"min_reliability": 2},
    {"min_abs_gal_lat": 91},
])  # fmt: skip
def test_impossible_parameters_are_refused(config):
    with pytest.raises(ValidationError):
        DecentVroFilter(**OPEN | config)


def test_limits_that_no_alert_can_meet_are_problems():
    unit = DecentVroFilter(**OPEN | {"min_ndet": 3, "max_ndet": 2, "min_tspan": 3, "max_tspan": 2})
    assert len(list(unit.problems({}))) == 2


@pytest.fixture(scope="module")
def real(shared_data):
    files = sorted((shared_data / "lsst" / "real_native").glob("*.avro"))
    alerts = [item for file in files for item in ingested(file.read_bytes()) if isinstance(item, Alert)]
    return AlertTable(tuple(view_of(alert, PUBLIC) for alert in alerts))


def cuts(verdicts):
    return Counter(verdict.reason.split(":")[0] for verdict in verdicts)


def test_open_limits_take_every_real_alert_with_an_object(real):
    found = cuts(DecentVroFilter(**OPEN).accept_table(real))
    without = sum(not alert.stock.startswith("lsst:") for alert in real)
    assert found == Counter({"": len(real) - without, "diaObjectId": without})
    assert len(real) > 100


@pytest.mark.parametrize("config, holds", [
    ({"min_reliability": 0.5}, lambda alert: (alert.value("reliability") or 0) >= 0.5),
    ({"count_only_positive": True}, lambda alert: not alert.value("isNegative")),
    ({"min_ndet": 2}, lambda alert: len(alert.detections) >= 2),
    ({"check_flags": ["pixelFlags_streak", "shape_flag"]},
     lambda alert: not alert.value("pixelFlags_streak") and not alert.value("shape_flag")),
])  # fmt: skip
def test_one_cut_on_real_alerts_does_what_it_says(real, config, holds):
    found = DecentVroFilter(**OPEN | config).accept_table(real)
    expected = [alert.stock.startswith("lsst:") and holds(alert) for alert in real]
    assert [verdict.is_accepted for verdict in found] == expected
    assert 0 < sum(expected) < len(real)


def test_a_search_on_real_alerts_gives_each_rejection_a_value(real):
    unit = DecentVroFilter(
        min_ndet=2,
        min_ndet_snr=5,
        min_ndet_cadence=0.5,
        count_only_positive=True,
        min_reliability=0.5,
        min_reliability_per_source=0.3,
        check_flags=["pixelFlags_saturated"],
        min_n_filters=2,
        min_tspan=0,
        max_tspan=365,
        min_abs_gal_lat=14,
        gaia_rs=0,
    )
    found = cuts(unit.accept_table(real))
    assert found.total() == len(real)
    assert 0 < found[""] < len(real) / 2
    assert len(found) >= 4
