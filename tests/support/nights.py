"""A night of synthetic packets that holds whatever is awkward, small enough to be run many times."""

from __future__ import annotations

from skymesh.model.alert import alert_id
from support.mesh import channel
from support.packets import JD, as_history, candid_of, candidate, container, detection, forced, limit, record

DEAD = b"no container at all"


def records():
    """Return the night's packets, decoded.

    Three objects. Histories repeat earlier triggers, rounded; hold limits and forced photometry, of
    several programmes; some packets come twice, one of them with other values; exposures are reduced
    again under a new candid; an object is seen first at its last alert.
    """
    return [*_supernova(), *_reprocessed(), *_hidden(), *_copies()]


def channels():
    """Return the channels of a job for the night: other grants, filters, combiners and reactions."""
    retro = {"unit": "RetroStates"}
    half = {"unit": "SampleFilter", "config": {"rate": 0.5}}
    return {
        "public": channel(react={"event": _event("summary.detections > 1", "stock")}),
        "partners": channel(
            "ztf_public", "ztf_private", **half, follow=True, combine=retro,
            react={"each": _event("summary", "state")},
        ),
        "staff": channel(
            "ztf_public", "ztf_private", "ztf_caltech", "ztf_engineering",
            react={
                "fast": _event("decline.fast", "stock", stream="fast"),
                "never": _event("summary.detections < 0", "state"),
            },
        ),
    }  # fmt: skip


def _event(when, once, **config):
    return {"unit": "VOEvent", "when": when, "once": once, "to": ["file"], "config": config}


def packets():
    """Return the night as files of one packet, and one file that cannot be read."""
    files = {f"alerts/{number:03d}.avro": container([item]) for number, item in enumerate(records())}
    return files | {"alerts/dead.avro": DEAD}


def _supernova():
    """An object with a growing history of detections, limits and forced photometry."""
    triggers = [
        candidate(jd_utc=JD + step, magpsf=19.5 - 0.4 * step, fid=1 + step % 2, programid=1)
        for step in range(6)
    ]
    for step, trigger in enumerate(triggers):
        history = [
            limit(jd_utc=JD - 4),
            limit(jd_utc=JD - 3, programid=2),
            detection(jd_utc=JD - 2, programid=2, magpsf=20.25),
            detection(jd_utc=JD - 1),
            *map(as_history, triggers[:step]),
        ]
        yield record(
            object_id="ZTF21aaaaasn",
            trigger=trigger,
            history=history,
            forced=[forced(jd_utc=JD - 2.5 + n) for n in range(step)],
            cutouts=step % 2 == 0,
        )


def _reprocessed():
    """An object whose exposure is reduced again, with a later candid, and once more with an earlier one."""
    for step, numbers in enumerate([(15001,), (15001, 15007), (15003,)]):
        again = [
            detection(jd_utc=JD, candid=candid_of(JD, 28, number), magpsf=18.0 + 0.1 * (number % 7))
            for number in numbers
        ]
        trigger = candidate(jd_utc=JD + 1 + step, rcid=41, isdiffpos="f")
        yield record(object_id="ZTF21aaaaarp", history=[limit(), *again], trigger=trigger)
    for candid in _two_of_one_exposure():
        yield record(object_id="ZTF21aaaaarp", jd_utc=JD + 5, rcid=41, candid=candid)


def _two_of_one_exposure():
    """Return native ids of one exposure, of which the larger one enters the log first."""
    low = candid_of(JD + 5, 41)
    return low, next(n for n in range(low + 1, low + 99) if alert_id("ztf", n) < alert_id("ztf", low))


def _hidden():
    """An object with triggers of all programmes."""
    for step, programid in enumerate([2, 1, 3, 1, 0]):
        yield record(
            object_id="ZTF21aaaaahd",
            history=[detection(jd_utc=JD - 1, programid=3), detection(jd_utc=JD - 2), limit(jd_utc=JD - 3)],
            jd_utc=JD + 0.5 * step,
            rcid=7,
            programid=programid,
            magpsf=18.0 + step,
        )


def _copies():
    """Packets that were there already: the same, and the same with a longer history."""
    first = next(iter(_supernova()))
    yield first
    yield first | {"prv_candidates": [*first["prv_candidates"], detection(jd_utc=JD - 9, magpsf=17.0)]}
