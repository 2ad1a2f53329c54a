"""One document of every kind, and more of each: values as they occur, and as they might."""

from __future__ import annotations

from typing import Any

from skymesh.model.alert import Alert, Arrival, Cutouts, Source, alert_id
from skymesh.model.deployment import Deployment, Epoch, Marker, PlacedMarker
from skymesh.model.execution import (
    JournalEntry,
    Line,
    Outcome,
    Result,
    Settled,
    SettledResult,
    UnitRef,
    View,
    content_digest,
    journal_id,
)
from skymesh.model.ids import Digest, canonical, digest_bytes, digest_of, text_id
from skymesh.model.point import DETECTION, LIMIT, DataPoint
from skymesh.model.position import Position
from skymesh.model.reaction import (
    Attempt,
    Held,
    HeldStatus,
    Intent,
    Letter,
    Place,
    Receipt,
    letters_digest,
    reaction_id,
)
from skymesh.model.retention import Expired, Gone
from skymesh.model.run import (
    Blob,
    ConfigRecord,
    DeadLetter,
    JobRecord,
    Log,
    Original,
    Product,
    Redrive,
    ResourceRecord,
    Run,
    RunSummary,
    SourceCount,
    UnitRecord,
)
from skymesh.model.state import StateLink, Verdict, make_state
from skymesh.store.store import Document

LOG, OTHER_LOG = digest_of("log", 1), digest_of("log", 2)
RUN, OTHER_RUN = digest_of("run", 1), digest_of("run", 2)
JOB = digest_of("job", 1)
STOCKS = ("ztf:ZTF21aaaaaaa", "ztf:ZTF21aaaaaab", "lsst:170028499324305483")
CHANNEL = "job/channel"
STAMPS = b"\x1f\x8b stamps \x00" * 50
REF = UnitRef("FastDecliner", "1", digest_of("config", {"a": 1}), digest_of("code", 1))


def place(number: int) -> Position:
    """Return the n-th position; offsets of 2³² and epochs are among them."""
    return Position(number // 1000, 0, number % 1000 * 2**33)


def point(number: int) -> DataPoint:
    """Return a detection or an upper limit; its body is no survey's, which a store does not look at."""
    kind = DETECTION if number % 3 else LIMIT
    return DataPoint(
        id=digest_of("point", number),
        survey="ztf",
        kind=kind,
        native=1_700_000_000_015_000_000 + number,
        is_withdrawn=False,
        is_triggering=number % 2 == 0,
        processed_mjd_tai=0.0,
        labels=("ztf_public",),
        exposure=(2459500.75 + number, 28) if kind == DETECTION else None,
        mjd_tai=59500.25,
        body=canonical([True, 2459500.75 + number, None, 19.123456789, -0.5, "é", False]),
    )


def arrival(number: int, *, log: Digest = LOG) -> Arrival:
    """Return the n-th row of a log; every fifth is a duplicate."""
    stock = STOCKS[number % len(STOCKS)]
    points = tuple(point(3 * number + offset) for offset in range(3))
    alert = Alert(
        id=alert_id("ztf", number),
        survey="ztf",
        native=number,
        stock=stock,
        record=digest_of("record", number),
        points=() if number % 5 == 4 else points,
        values={"drb": 0.75, "rbversion": "t17", "tooflag": 0, "big": 2**63 - 1, "none": None},
        aggregates={"ndethist": 3},
        attributes={"ampel_stock": 31415},
        cutouts=cutouts().id if number % 2 == 0 else None,
        source=Source("night.tar!é.avro", number),
    )
    return Arrival(log, stock, place(number), alert, points[0].id, ("ztf_public",), not alert.points)


def cutouts(block: bytes = STAMPS) -> Cutouts:
    """Return image stamps under their digest."""
    return Cutouts(digest_bytes("cutout", block), block)


def result(number: int, *, is_transient: bool = False, value: float = 0.5) -> Result:
    """Return the n-th result."""
    content: dict[str, Any] | None = {
        "rate": value,
        "by_band": {"ztfg": -1.5},
        "n": 2**53 + 1,
        "bands": ["g", "r"],
    }
    if is_transient:
        content = None
    outcome: Any = "failed" if is_transient else "ok"
    return Result(
        id=digest_of("result", number),
        stock=STOCKS[number % len(STOCKS)],
        ref=REF,
        inputs={
            "curve": ("curve", digest_of("state", number), "DifferenceFlux", "1", REF.config),
            "x": ("absent",),
        },
        outcome=outcome,
        reason="longer than its deadline" if is_transient else "",
        content=content,
        digest=content_digest(outcome, content),
        run=RUN,
        position=place(number),
        seconds=0.125,
        is_transient=is_transient,
    )


def verdict(number: int, *, run: Digest = RUN) -> Verdict:
    """Return the verdict on the n-th alert."""
    return Verdict(run, STOCKS[number % len(STOCKS)], place(number), (CHANNEL, "job/é"))


def link(number: int, *, run: Digest = RUN, ended: int = 0) -> StateLink:
    """Return the states held at the n-th alert, or what a combiner leaves that was late."""
    stock = STOCKS[number % len(STOCKS)]
    held = (digest_of("state", number), digest_of("state", number + 1))
    key = (run, stock, place(number), alert_id("ztf", number))
    if ended:
        return StateLink(*key, {CHANNEL: (), f"job/{ended}": held}, {}, is_transient=True)
    return StateLink(*key, {CHANNEL: held}, {CHANNEL: held[1:]})


def view(number: int, *, run: Digest = RUN, channel: str = CHANNEL) -> View:
    """Return a channel's view at the n-th alert."""
    stock = STOCKS[number % len(STOCKS)]
    results: dict[str, tuple[Digest, Outcome]] = {"decline": (digest_of("result", number), "ok")}
    alert, state = alert_id("ztf", number), digest_of("state", number)
    return View(run, channel, stock, place(number), alert, state, results)


def intent(number: int, *, run: Digest = RUN, body: bytes = b"<x>\x00\xff</x>") -> Intent:
    """Return what was intended at the n-th alert."""
    stock, state = STOCKS[number % len(STOCKS)], digest_of("state", number)
    letters = (Letter("event.xml", "application/xml", body),)
    return Intent(
        run=run,
        id=reaction_id(REF, CHANNEL, "file", "state", state),
        channel=CHANNEL,
        instance="event",
        ref=REF,
        target="file",
        once="state",
        stock=stock,
        position=place(number),
        alert=alert_id("ztf", number),
        state=state,
        results={"decline": (digest_of("result", number), "ok")},
        inputs={"view": ("view", state), "last": ("absent",)},
        letters=letters,
        digest=letters_digest(letters),
    )


def receipt(number: int, *, run: Digest = RUN) -> Receipt:
    """Return the receipt of the n-th intent."""
    places = (Place("event/é.xml", digest_of("digest", number), 9),)
    return Receipt(run, intent(number).id, "file", "file", places)


def attempt(number: int, *, which: int = 1, worker: str = "é-1") -> Attempt:
    """Return an attempt to send the n-th intent."""
    one = intent(number)
    return Attempt(one.id, which, worker, one.run, one.target, 1_700_000_000_000, 1_700_000_060_000)


def held(number: int, *, status: HeldStatus = "held", attempts: int = 2) -> Held:
    """Return the n-th intent as it is held back."""
    one = intent(number)
    told = (one.stock, one.position, "no answer: é", "2026-01-01T00:00:00.000+00:00")
    return Held(one.id, one.run, one.target, *told, attempts, status)


def settled(number: int, *, run: Digest = RUN, is_transient: bool = False) -> Settled:
    """Return what was settled at the n-th alert."""
    outcome: Outcome = "failed" if is_transient else "ok"
    told = SettledResult(digest_of("result", number), outcome, digest_of("digest", number), is_transient)
    by_state = {digest_of("state", number): {"decline": told}}
    return Settled(
        run, place(number), STOCKS[number % len(STOCKS)], alert_id("ztf", number), {CHANNEL: by_state}
    )


def entry(number: int, *, run: Digest = RUN, tier: str = "t2") -> JournalEntry:
    """Return the n-th entry of a tier's journal."""
    lines = (
        Line(
            text_id("state", digest_of("state", number)),
            "made:up",
            ("result:00",),
            "ok",
            "",
            is_memoised=True,
        ),
        Line(
            text_id("state", digest_of("state", number)),
            "made:up",
            (),
            "failed",
            "ValueError: é",
            seconds=0.5,
        ),
    )
    first, end = number * 10, number * 10 + 10
    return JournalEntry(
        id=journal_id(run, tier, CHANNEL, "decline", 0, first, end),
        run=run,
        tier=tier,
        channel=CHANNEL,
        instance="decline",
        ref=REF,
        partition=0,
        first=first,
        end=end,
        started_utc="2026-01-01T00:00:00.000+00:00",
        seconds=0.25,
        counts={"ok": 1, "failed": 1, "memoised": 1},
        lines=lines,
    )


def marker(number: int, *, log: Digest = LOG, partition: int = 0) -> PlacedMarker:
    """Return the marker at the n-th place."""
    return PlacedMarker(log, partition, place(number), Marker(RUN, "off" if number % 2 else "on"))


def one_of_each() -> list[Document]:
    """Return one document of every kind that lies in a table: all but image stamps."""
    numbers = {"run": text_id("run", RUN), "alerts": {"read": 1}, "seconds": 0.5, "channels": {}}
    return [
        arrival(0), verdict(0), make_state(STOCKS[0], (point(n).id for n in range(3))), link(0), settled(0),
        result(0), view(0), entry(0), ConfigRecord(REF.config, {"a": 1, "b": None, "c": [1.5]}),
        JobRecord(JOB, "job", {"channels": {"job/channel": {"access": ["ztf_public"]}}}, {"name": "job"}),
        Log(LOG, 1), Run(RUN, JOB, LOG, "job", "real", "", 1, 2, 1, 1), RunSummary(RUN, numbers),
        UnitRecord("FastDecliner", "1", REF.code), SourceCount(RUN, "night.tar", 2, 1, 1),
        Product(RUN, "table.csv", REF.code, 2**40, ("a", "b")), ResourceRecord(JOB, "catalogue", "/stars/é"),
        DeadLetter(
            LOG, "skymesh.live.accepted.v1/2", 7, "poison", "ValueError: é", b"\x00\xff" * 20, "t1", 2,
            Original("skymesh.live.accepted.v1", 2, 7, b"\xff key"), "builtins.ValueError", "T1", JOB,
        ),
        Redrive(LOG, "skymesh.live.accepted.v1/2", 7, "t1", 3, "2026-01-01T00:00:00+00:00"),
        intent(0), receipt(0), marker(0), Blob(JOB, b"\xc1\x00" * 9), arrival(1).alert,
        Epoch(LOG, 2, 8, 8), Deployment(LOG, "job", (RUN, OTHER_RUN)), attempt(0), held(0),
        Expired(LOG, "packets", "2026-01-01T00:00:00.000+00:00", (place(3),), "é"),
        Gone(JOB, RUN, "journal", CHANNEL),
    ]  # fmt: skip


def with_changes() -> list[tuple[Document, Document]]:
    """Return pairs of equal key and other content, of kinds whose first copy stays."""
    return [
        (Log(LOG, 1), Log(LOG, 2)),
        (ConfigRecord(REF.config, {"a": 1}), ConfigRecord(REF.config, {"a": 2})),
        (UnitRecord("U", "1", JOB), UnitRecord("U", "1", RUN)),
        (result(1, value=0.5), result(1, value=0.75)),
        (result(1, value=0.5), result(1, is_transient=True)),
        (settled(1), settled(1, is_transient=True)),
        (settled(2, is_transient=True), settled(2)),
        (verdict(1), Verdict(RUN, verdict(1).stock, verdict(1).position, ())),
        (RunSummary(RUN, {"a": 1}), RunSummary(RUN, {"a": 2})),
        (intent(1), intent(1, body=b"other")),
        (DeadLetter(RUN, "n", 0, "c", "r", b"1"), DeadLetter(RUN, "n", 0, "c", "r", b"2")),
    ]
