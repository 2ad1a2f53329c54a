"""The journal of ingest: every alert of a log with the packet it came from, and every dead letter."""

from __future__ import annotations

from collections.abc import Sequence

from skymesh.model.alert import Alert, AlertHead
from skymesh.model.execution import JournalEntry, Line
from skymesh.model.ids import Digest, text_id
from skymesh.model.run import DeadLetter
from skymesh.provenance.journal import DEAD, Journalist, Stopwatch

SHAPE = "shape"
"""Instance of the entries that tell what became of each packet."""

PUBLISHED = "published"


def shaping_entry(
    run: Digest,
    place: tuple[int, int, int],
    heads: Sequence[AlertHead],
    dead: Sequence[DeadLetter] = (),
) -> JournalEntry:
    """Return the entry for a range of a log that was made from files.

    Parameters
    ----------
    run
        The run whose journal it is for.
    place
        Partition of the log, first offset and the one behind the last.
    heads
        The alerts, in the order of the log.
    dead
        What could not be read; told once, in the last entry of a log.
    """
    journalist = Journalist(run, "ingest", *place)
    return journalist.entry("", SHAPE, None, shaping_lines(heads, dead), Stopwatch().started_utc, 0.0)


def shaping_lines(heads: Sequence[Alert | AlertHead], dead: Sequence[DeadLetter]) -> list[Line]:
    """Return a line for each packet: the alert that it became, or why it is dead."""
    lines = [Line(text_id("alert", head.id), head.stock, (str(head.source),), PUBLISHED) for head in heads]
    return lines + [Line(letter.place, "", (), DEAD, letter.reason) for letter in dead]
