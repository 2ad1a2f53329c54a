"""Every cut of SimpleDecentFilter and its relatives: at its limit, beyond it, and in its order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from skymesh.units import AlertTable, AlertView, Verdict
from skymesh_t0.units.simple_decent_filter import SimpleDecentFilter
from support.packets import JD, PUBLIC, detection, limit
from support.views import view

DAY_3 = [detection(jd_utc=JD - 3)]
OLDER = [*DAY_3, detection(jd_utc=JD - 4)]
YOUNG = {"jdstarthist": JD - 3}
CONFUSED = {"distpsnr1": 0.25, "distpsnr2": 0.5, "distpsnr3": 0.75, "sgscore1": 0.5, "sgscore2": 0.75,
            "sgscore3": 0.25}  # fmt: skip


def judge(packet, **config):
    return SimpleDecentFilter(**config).accept(view(**({"history": DAY_3} | packet)))


def test_a_good_packet_is_accepted():
    assert judge({}) == Verdict(True)


CUTS = [
    # parameters, a packet at the limit, a packet beyond it, the reason
    ({"min_ndet": 3}, {"history": OLDER}, {}, "min_ndet: 2"),
    ({"min_tspan": 3.0}, {}, {"history": [detection(jd_utc=JD - 2.875)]}, "min_tspan: 2.875"),
    ({"max_tspan": 3.0}, {}, {"history": [detection(jd_utc=JD - 3.125)]}, "max_tspan: 3.125"),
    ({"max_age_days": 3}, YOUNG, {"history": OLDER} | YOUNG, "max_age_days: 4"),
    ({"max_age_days": 3}, YOUNG, {"jdstarthist": JD - 3.5}, "max_age_days: 3.5"),
    ({"min_rb": 0.7}, {"rb": 0.7}, {"rb": 0.6999}, "min_rb: 0.6999"),
    ({"min_drb": 0.995}, {"drb": 0.995}, {"drb": 0.9949}, "min_drb: 0.9949"),
    ({"max_fwhm": 3.3}, {"fwhm": 3.3}, {"fwhm": 3.31}, "max_fwhm: 3.31"),
    ({"max_elong": 1.3}, {"elong": 1.3}, {"elong": 1.31}, "max_elong: 1.31"),
    ({"max_magdiff": 0.4}, {"magdiff": 0.4}, {"magdiff": 0.41}, "max_magdiff: 0.41"),
    ({"max_magdiff": 0.4}, {"magdiff": -0.4}, {"magdiff": -0.41}, "max_magdiff: 0.41"),
    ({"max_nbad": 1}, {"nbad": 1}, {"nbad": 2}, "max_nbad: 2"),
    ({"min_archive_tspan": 6}, {"jdstarthist": JD - 6}, {"jdstarthist": JD - 5}, "min_archive_tspan: 5"),
    ({"max_archive_tspan": 6}, {"jdstarthist": JD - 6}, {"jdstarthist": JD - 7}, "max_archive_tspan: 7"),
    ({"min_sso_dist": 20}, {"ssdistnr": 20.0}, {"ssdistnr": 19.5}, "min_sso_dist: 19.5"),
    ({"ps1_sgveto_rad": 1.5, "ps1_sgveto_th": 0.7}, {"distpsnr1": 1.5, "sgscore1": 1.0},
     {"distpsnr1": 1.25, "sgscore1": 0.75}, "ps1_sgveto_th: 0.75"),
    ({"ps1_sgveto_th": 0.7}, {"sgscore1": 0.7}, {"sgscore1": 0.75}, "ps1_sgveto_th: 0.75"),
    ({"ps1_confusion_rad": 1.0}, CONFUSED | {"distpsnr3": 1.0}, CONFUSED, "ps1_confusion_rad: 0.75"),
    ({"ps1_confusion_sg_tol": 0.3}, CONFUSED | {"sgscore1": 0.8}, CONFUSED, "ps1_confusion_rad: 0.75"),
    ({"max_limit_age_days": 5}, {"history": [*DAY_3, limit(jd_utc=JD - 5)]},
     {"history": [*DAY_3, limit(jd_utc=JD - 6)]}, "max_limit_age_days: 6"),
    ({"max_limit_age_days": 9, "min_limit_mag_ab": 19.7}, {"history": [*DAY_3, limit(diffmaglim=19.7)]},
     {"history": [*DAY_3, limit(diffmaglim=19.6)]}, "max_limit_age_days: absent"),
]  # fmt: skip


@pytest.mark.parametrize("config, at_limit, beyond, reason", CUTS, ids=[cut[3] for cut in CUTS])
def test_a_cut_accepts_at_its_limit_and_rejects_beyond_it(config, at_limit, beyond, reason):
    assert judge(at_limit, **config) == Verdict(True)
    assert judge(beyond, **config) == Verdict(False, reason)


def test_the_galactic_plane_is_cut_out_on_both_sides():
    north, plane, south = {"ra": 150.1, "dec": 2.2}, {"ra": 105.0, "dec": -1.5}, {"ra": 10.0, "dec": -20.0}
    assert judge(north, min_gal_lat=42).is_accepted
    assert judge(south, min_gal_lat=80).is_accepted
    assert judge(plane, min_gal_lat=2).reason.startswith("min_gal_lat: 1.")
    assert judge(plane, min_gal_lat=0).is_accepted
    assert judge(plane, min_gal_lat=-1).is_accepted


def test_negative_subtractions_are_rejected_in_either_spelling():
    assert judge({"isdiffpos": "f"}) == judge({"isdiffpos": "0"}) == Verdict(False, "isdiffpos: 0")
    assert judge({"isdiffpos": "1"}).is_accepted


@pytest.mark.parametrize("name, cut", [("rb", "min_rb"), ("fwhm", "max_fwhm"), ("elong", "max_elong"),
                                       ("magdiff", "max_magdiff"), ("nbad", "max_nbad")])  # fmt: skip
def test_what_must_be_known_and_is_not_fails_its_cut(name, cut):
    assert judge({name: None}) == Verdict(False, f"{cut}: absent")
    assert judge({name: -999}) == Verdict(False, f"{cut}: absent")


@pytest.mark.parametrize("name", ["ssdistnr", "distpsnr1", "sgscore1", "drb", "jdstarthist", "jdendhist"])
@pytest.mark.parametrize("value", [None, -999.0])
def test_where_nothing_was_found_nothing_is_rejected(name, value):
    assert judge({name: value}, min_drb=0.5, min_sso_dist=20).is_accepted


def test_fewer_than_three_ps1_sources_are_not_confused():
    assert not judge(CONFUSED).is_accepted
    assert judge(CONFUSED | {"distpsnr3": None, "sgscore3": None}).is_accepted
    assert judge(CONFUSED | {"distpsnr3": -999.0, "sgscore3": -999.0}).is_accepted


# What AMPEL gets wrong, one test per defect.


def test_bad_pixels_are_really_cut_on():
    assert judge({"nbad": 1}) == Verdict(False, "max_nbad: 1")
    assert judge({"nbad": 1}, max_nbad=1).is_accepted


def test_an_object_of_one_epoch_passes_the_default_span_in_the_archive():
    assert judge({"jdstarthist": JD, "jdendhist": JD}).is_accepted
    assert judge({"jdstarthist": JD - 7, "jdendhist": JD}, max_archive_tspan=7).is_accepted


@pytest.mark.parametrize("name, config, reason", [
    ("drb", {"min_drb": 0.5}, "min_drb: 0"), ("rb", {}, "min_rb: 0"), ("ssdistnr", {}, "min_sso_dist: 0"),
    ("distpsnr1", {"ps1_sgveto_th": 0.2}, "ps1_sgveto_th: 0.25"),
])  # fmt: skip
def test_zero_is_a_value(name, config, reason):
    assert judge({name: 0.0}, **config) == Verdict(False, reason)


@pytest.mark.parametrize("programid", [0, 2, 3])
def test_hidden_points_do_not_count(programid):
    history = [detection(jd_utc=JD - 3, programid=programid), limit(jd_utc=JD - 4, programid=programid)]
    shown, hidden = view(history=history), view(history=history, grants=PUBLIC)
    assert SimpleDecentFilter().accept(shown).is_accepted
    assert SimpleDecentFilter().accept(hidden) == Verdict(False, "min_ndet: 1")
    unit = SimpleDecentFilter(min_ndet=1, min_tspan=0, max_limit_age_days=9)
    assert unit.accept(shown).is_accepted
    assert unit.accept(hidden) == Verdict(False, "max_limit_age_days: absent")


def test_numbers_over_the_whole_history_do_not_count_where_they_are_hidden():
    old = {"history": DAY_3, "jdstarthist": JD - 900}
    assert not SimpleDecentFilter(max_archive_tspan=800).accept(view(**old)).is_accepted
    assert SimpleDecentFilter(max_archive_tspan=800).accept(view(**old, grants=PUBLIC)).is_accepted
    assert not SimpleDecentFilter(max_age_days=800).accept(view(**old)).is_accepted
    assert SimpleDecentFilter(max_age_days=800).accept(view(**old, grants=PUBLIC)).is_accepted


def test_limits_after_the_first_detection_say_nothing_of_its_age():
    late = {"history": [limit(jd_utc=JD - 1), *DAY_3, limit(jd_utc=JD - 5)]}
    assert judge(late, max_limit_age_days=4) == Verdict(False, "max_limit_age_days: 5")


# All of them fail at once; each parameter in turn is opened, in the documented order.
ALL_BAD = {
    "history": [detection(jd_utc=JD - 4), limit(jd_utc=JD - 10)], "isdiffpos": "t", "rb": 0.0, "drb": 0.0,
    "fwhm": 9.0, "elong": 3.0, "magdiff": 2.0, "nbad": 9, "jdstarthist": JD - 5, "ssdistnr": 1.0,
    "ra": 105.0, "dec": -1.5,
} | CONFUSED | {"sgscore1": 0.8125}  # fmt: skip
STRICT = {
    "min_ndet": 3, "min_tspan": 4.5, "max_tspan": 3.5, "max_age_days": 3.0, "min_rb": 0.5, "min_drb": 0.5,
    "max_fwhm": 5.0, "max_elong": 1.4, "max_magdiff": 0.4, "max_nbad": 0, "min_archive_tspan": 6.0,
    "max_archive_tspan": 4.0, "min_sso_dist": 20.0, "min_gal_lat": 14.0, "ps1_sgveto_th": 0.8,
    "ps1_confusion_rad": 1.0, "max_limit_age_days": 1.0,
}  # fmt: skip
OPEN = {
    "min_ndet": 0, "min_tspan": -99.0, "max_tspan": 99.0, "max_age_days": None, "min_rb": 0.0, "min_drb": 0.0,
    "max_fwhm": 99.0, "max_elong": 99.0, "max_magdiff": 99.0, "max_nbad": 99, "min_archive_tspan": 0.0,
    "max_archive_tspan": 1e5, "min_sso_dist": 0.0, "min_gal_lat": -1.0, "ps1_sgveto_th": 1.0,
    "ps1_confusion_rad": 0.0, "max_limit_age_days": None,
}  # fmt: skip


def test_the_first_cut_in_the_documented_order_is_the_reason():
    alert = view(**ALL_BAD)
    reasons, config = [], dict(STRICT)
    for name in STRICT:
        reasons.append(SimpleDecentFilter(**config).accept(alert).reason.split(":")[0])
        config[name] = OPEN[name]
    assert reasons == list(STRICT)
    assert SimpleDecentFilter(**config).accept(alert).is_accepted


POOL = [view(), view(**ALL_BAD), view(history=DAY_3)]
POOL += [view(**({"history": DAY_3} | beyond)) for _, _, beyond, _ in CUTS]
POOL += [AlertView(POOL[0].id, "other", "other:1", POOL[0].points, {}, {})]


@given(
    st.lists(st.sampled_from(POOL), max_size=12),
    st.fixed_dictionaries({name: st.sampled_from([OPEN[name], STRICT[name]]) for name in STRICT}),
)
def test_a_table_is_judged_as_its_alerts_are_one_by_one(alerts, config):
    unit = SimpleDecentFilter(**config)
    assert list(unit.accept_table(AlertTable(tuple(alerts)))) == [unit.accept(alert) for alert in alerts]


def test_alerts_of_other_surveys_are_not_for_it():
    assert SimpleDecentFilter().accept(POOL[-1]) == Verdict(False, "not_for_this_survey")


@pytest.mark.parametrize("config", [{"min_rb": 1.5}, {"min_ndet": -1}, {"max_age_days": -1}, {"gaia_rs": 20},
                                    {"min_gal_lat": 91},
                                    {"max_fwhm": float("nan")}, {"max_fwhm": "wide"}])  # fmt: skip
def test_impossible_parameters_are_refused(config):
    with pytest.raises(ValidationError):
        SimpleDecentFilter(**config)


def test_limits_that_no_alert_can_meet_are_a_problem():
    assert list(SimpleDecentFilter().problems({})) == []
    (line,) = SimpleDecentFilter(min_tspan=30).problems({})
    assert "min_tspan" in line
    assert "max_tspan" in line
