"""A state is a function of the log up to its place: nothing that comes later is seen."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support import nights
from support.mesh import Picture, run_stream, write_job
from support.packets import (
    JD,
    alert,
    as_history,
    candid_of,
    candidate,
    container,
    detection,
    forced,
    limit,
    shaped,
)

OBJECTS = ("ZTF21aaaaaaa", "ZTF21aaaaaab")


def _trigger(step, number):
    """The trigger of a step, or another reduction of its exposure."""
    return candidate(jd_utc=JD + step, candid=candid_of(JD + step, 28, 15001 + number), magpsf=18.0 + number)


@st.composite
def _alerts(draw):
    """A packet of one of two objects: any time, any programme, any history."""
    step, number = draw(st.integers(0, 4)), draw(st.integers(0, 1))
    steps = draw(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 1)), max_size=3, unique=True))
    programme = st.sampled_from([1, 1, 2])
    history = [as_history(_trigger(*one)) | {"programid": draw(programme)} for one in steps]
    history += [limit(jd_utc=JD - one, programid=draw(programme)) for one in draw(st.sets(st.integers(1, 3)))]
    return alert(
        object_id=draw(st.sampled_from(OBJECTS)),
        trigger=_trigger(step, number),
        programid=draw(programme),
        history=history,
        forced=[forced(jd_utc=JD + one) for one in draw(st.sets(st.integers(0, 2), max_size=2))],
    )


STREAMS = st.lists(_alerts(), min_size=1, max_size=7)
COPIES = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=4)


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    return write_job(tmp_path_factory.mktemp("job") / "job.yaml", nights.channels())


def _made(alerts, job, *, batch_records=500):
    with tempfile.TemporaryDirectory() as folder:
        return run_stream(alerts, job, Path(folder), batch_records=batch_records)


def _cut(made, alerts):
    """Leave out of a picture what was made at other alerts than these."""
    known = {(alert.stock, alert.id) for alert in alerts}
    links = {place: link for place, link in made.links.items() if place[1:] in known}
    reached = {(place[0], state) for place, (_, emitted) in links.items() for state in emitted}
    results, reactions = (
        {one for one in each if one[:2] in reached} for each in (made.results, made.reactions)
    )
    return Picture(links, results, reactions)


def test_the_first_alerts_of_the_night_make_what_they_made_in_the_whole(job):
    alerts = sorted(
        (shaped(container([item])).alert for item in nights.records()),
        key=lambda alert: (alert.trigger.mjd_tai, alert.id, alert.record),
    )
    whole = _made(alerts, job)
    for count in range(len(alerts)):
        assert _made(alerts[:count], job) == _cut(whole, alerts[:count])


@settings(max_examples=25)
@given(alerts=STREAMS, data=st.data())
def test_a_stream_cut_short_makes_what_it_made_before_the_cut(job, alerts, data):
    count = data.draw(st.integers(0, len(alerts)))
    assert _made(alerts[:count], job) == _cut(_made(alerts, job), alerts[:count])


@settings(max_examples=25)
@given(
    alerts=STREAMS,
    batch_records=st.integers(1, 3),
    copies=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6))),
)
def test_batches_and_copies_do_not_matter(job, alerts, batch_records, copies):
    more = list(alerts)
    for source, gap in copies:
        copied = min(source, len(alerts) - 1)
        at = more.index(alerts[copied]) + 1 + gap
        more.insert(min(at, len(more)), alerts[copied])
    assert _made(more, job, batch_records=batch_records) == _made(alerts, job)


@settings(max_examples=25)
@given(alerts=STREAMS, seed=st.integers(0, 5))
def test_only_the_order_within_an_object_matters(job, alerts, seed):
    queues = {name: [alert for alert in alerts if alert.stock == f"ztf:{name}"] for name in OBJECTS}
    turns = random.Random(seed)
    mixed = []
    while remaining := [queue for queue in queues.values() if queue]:
        mixed.append(turns.choice(remaining).pop(0))
    assert _made(mixed, job) == _made(alerts, job)


def test_late_alerts_are_taken_as_they_come(job):
    early, late = alert(jd_utc=JD), alert(jd_utc=JD + 1, history=[detection(jd_utc=JD - 1)])
    forwards, backwards = _made([early, late], job), _made([late, early], job)
    last = [
        made.links["job/public", early.stock, alert.id][0]
        for made, alert in ((forwards, late), (backwards, early))
    ]
    assert last[0] == last[1]
    first = [
        made.links["job/public", early.stock, alert.id][0]
        for made, alert in ((forwards, early), (backwards, late))
    ]
    assert first[0] != first[1]
