"""Packets that hold values which some may not see, each to be recognised wherever it turns up."""

from __future__ import annotations

import re
import struct

import numpy as np

from support.packets import JD, as_history, candidate, detection, forced, limit, record

STOCK = "ztf:ZTF21aaaaaaa"
HIDDEN_STOCK = "ztf:ZTF21aaaaazz"
PLANTED = {
    "history magnitude": 17.1234567,
    "history error": 0.0987123,
    "history time": 2459470.7654321,
    "history candid": 1716265432115011213,
    "history place": 151.7171717,
    "limit depth": 21.3579246,
    "limit pid": 1716265432719,
    "forced counts": 4321.8765,
    "trigger magnitude": 16.2468135,
    "trigger candid": 1745987654315015678,
    "trigger score": 0.8642097,
    "trigger star": 0.1357913,
    "history count": 7919,
    "first in history": 2458123.4567891,
}
AGGREGATES = {"history count", "first in history"}


def records():
    """One public packet with hidden history, one hidden packet of the same object, and a hidden object."""
    hidden = detection(
        jd_utc=PLANTED["history time"], magpsf=PLANTED["history magnitude"], programid=2,
        sigmapsf=PLANTED["history error"], candid=PLANTED["history candid"], ra=PLANTED["history place"],
    )  # fmt: skip
    depth = limit(jd_utc=JD - 6, diffmaglim=PLANTED["limit depth"], pid=PLANTED["limit pid"], programid=2)
    flux = forced(jd_utc=JD - 7, counts=PLANTED["forced counts"], programid=2)
    counts = {"ndethist": PLANTED["history count"], "jdstarthist": PLANTED["first in history"]}
    yield record(
        history=[hidden, depth, detection(jd_utc=JD - 1), limit(jd_utc=JD - 2)],
        forced=[flux, forced(jd_utc=JD - 3)], jd_utc=JD, cutouts=True, **counts,
    )  # fmt: skip
    trigger = candidate(
        jd_utc=JD + 1, magpsf=PLANTED["trigger magnitude"], programid=2, candid=PLANTED["trigger candid"],
        drb=PLANTED["trigger score"], sgscore1=PLANTED["trigger star"],
    )  # fmt: skip
    seen = record(trigger=trigger, history=[detection(jd_utc=JD - 1)], cutouts=True)
    yield seen | {"cutoutScience": {"fileName": "s.fits.gz", "stampData": b"a stamp of its own"}}
    yield record(jd_utc=JD + 2, history=[as_history(trigger), hidden], **counts)
    yield record(
        object_id=HIDDEN_STOCK.partition(":")[2], trigger=trigger | {"candid": trigger["candid"] + 7}
    )


def patterns(value):
    """Return the ways in which a number may be written: whole, cut or rounded, in decimals or as bytes."""
    if isinstance(value, int):
        texts = {str(value)} if value < 2**32 else {str(value), f"{value:x}"}
    else:
        numbers = [value, float(np.float32(value))] + ([value - 2400000.5] if value > 2e6 else [])
        texts = {repr(number)[: repr(number).index(".") + 6] for number in numbers}
        texts |= {f"{number:.{digits}f}" for number in numbers for digits in (4, 5, 6)}
        texts |= {struct.pack(">d", number).hex() for number in numbers}
    return re.compile(
        "|".join(
            rf"(?<![0-9a-f]){text}" + (r"(?![0-9a-f])" if "." not in text else "")
            for text in map(re.escape, texts)
        )
    )


def found_in(text, names=PLANTED):
    """Return the names of the planted values that stand in a text."""
    return {name for name in names if PATTERNS[name].search(text)}


PATTERNS = {name: patterns(value) for name, value in PLANTED.items()}
