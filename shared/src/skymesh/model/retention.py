"""What was deleted on purpose, and what stays to tell that it was there."""

from __future__ import annotations

from typing import Literal

import msgspec

from skymesh.model.ids import Digest
from skymesh.model.position import Position

Retention = Literal[
    "packets", "decisions", "journal", "points", "states", "results", "reactions", "letters", "records",
    "registry",
]  # fmt: skip
"""A class of tables whose rows are kept equally long; see `skymesh.store.tables`."""


class Expired(msgspec.Struct, frozen=True, array_like=True):
    """What an owner had of a class was deleted; written before the first row goes.

    Attributes
    ----------
    owner, retention, expired_utc
        The key: the run or log, the class, and when: ISO 8601.
    until
        In a log, one position for each partition below which everything went; empty for all there was.
    why
        What asked for it.
    status
        ``begun`` until the last row has gone, then ``done``; ``withdrawn`` if nothing went after all.
    ended_utc
        Of a run, when it judged its last alert: ISO 8601; empty if it judged none.
    digest, results_digest
        Of a run, its digests, which nobody can compute any more; None of a log.
    """

    owner: Digest
    retention: Retention
    expired_utc: str
    until: tuple[Position, ...]
    why: str
    status: Literal["begun", "done", "withdrawn"] = "begun"
    ended_utc: str = ""
    digest: Digest | None = None
    results_digest: Digest | None = None

    def covers(self, position: Position) -> bool:
        """Return whether what was at a position of the log went."""
        return not self.until or any(
            (end.epoch, end.partition) == (position.epoch, position.partition) and position < end
            for end in self.until
        )


class Gone(msgspec.Struct, frozen=True, array_like=True):
    """The id of something that was deleted, which nothing else in the store leads to.

    Attributes
    ----------
    id
        Its id.
    owner, retention
        Whose it was, and its class; `Expired` tells when it went.
    channel
        Whose deed it told; empty if no channel's.
    """

    id: Digest
    owner: Digest
    retention: Retention
    channel: str
