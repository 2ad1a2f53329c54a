"""What was there before a moment did not begin with it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from skymesh.units import Verdict
from skymesh_t0.units.decent_filter import DecentFilter
from skymesh_t0.units.predetection_filter import PredetectionFilter
from support.packets import JD, PUBLIC, detection, limit
from support.views import view

LENS = {
    "min_ndet": 1, "min_tspan": 0, "max_tspan": 50, "min_rb": 0.3, "max_fwhm": 5.5, "max_elong": 1.4,
    "max_magdiff": 0.4, "max_nbad": 0, "min_sso_dist": 20, "min_gal_lat": 14, "ps1_sgveto_rad": 1,
    "ps1_sgveto_th": 0.8, "ps1_confusion_rad": 3, "ps1_confusion_sg_tol": 0.1, "gaia_rs": 0,
    "gaia_pm_signif": 3, "gaia_plx_signif": 3, "gaia_veto_gmag_min": 9, "gaia_veto_gmag_max": 20,
    "gaia_excessnoise_sig_max": 999,
}  # fmt: skip
HISTORY = [detection(jd_utc=JD - 3), limit(jd_utc=JD - 9)]


def judge(trigger_jd, **packet):
    alert = view(**{"history": HISTORY} | packet)
    return PredetectionFilter(**LENS, trigger_jd=trigger_jd).accept(alert)


def test_a_detection_at_the_moment_passes_and_one_before_does_not():
    assert judge(JD - 3) == Verdict(True)
    assert judge(JD - 2.75) == Verdict(False, "trigger_jd: -0.25")


def test_upper_limits_are_no_detections():
    assert judge(JD - 5).is_accepted


def test_a_negative_detection_is_one():
    assert not judge(JD - 3, history=[detection(jd_utc=JD - 4, isdiffpos="f")]).is_accepted


def test_a_hidden_detection_does_not_count():
    history = [detection(jd_utc=JD - 4, programid=2)]
    assert not judge(JD - 3, history=history).is_accepted
    assert judge(JD - 3, history=history, grants=PUBLIC).is_accepted


def test_without_a_moment_it_is_the_decent_filter():
    for packet in ({}, {"rb": 0.1}, {"history": [detection(jd_utc=JD - 60)]}):
        alert = view(**packet)
        assert PredetectionFilter(**LENS).accept(alert) == DecentFilter(**LENS).accept(alert)


def test_the_decent_cuts_come_after_it():
    assert judge(JD - 3, rb=0.1) == Verdict(False, "min_rb: 0.1")
    assert judge(JD - 2, rb=0.1) == Verdict(False, "trigger_jd: -1")


def test_a_modified_julian_date_is_refused():
    with pytest.raises(ValidationError, match="1972"):
        PredetectionFilter(**LENS, trigger_jd=58000)
