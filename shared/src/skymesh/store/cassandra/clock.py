"""Timestamps of writes, under which the first copy stays or the last."""

from __future__ import annotations

import threading
import time

# Microseconds since 1970 stay below 2⁵² until the year 2112, so the ranges below never meet.
_FIRST_STAYS = 2**62
_GIVES_WAY = 2**61


class WriteClock:
    """Makes timestamps in microseconds, those of documents whose first copy stays running backwards.

    Of two writes to one row Cassandra keeps the one with the larger timestamp, wherever and in
    whatever order they arrive. A document whose first copy is to stay is therefore written at a
    timestamp that falls as time passes: the earlier write has the larger one, and no row needs to be
    looked at before it is written. What gives way (what was ended from outside) rises from a far lower
    start: the last of its kind stays, and anything final wins over it, written before or after.

    Within a process no two timestamps are equal, and they keep their order even if the system's clock
    is set back. Of two processes the first is the one whose clock says so. That matters only for rows
    that are no function of their key, and there are none but results of a unit that is not
    reproducible: one of its copies stays, the same one for every reader.
    """

    DELETION = _FIRST_STAYS
    """Timestamp of deletions, above all others. What was deleted cannot be written again before
    Cassandra has forgotten the deletion (``gc_grace_seconds``). What may return is deleted, and written, at
    a timestamp of `last_stays`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last_us = 0

    def first_stays(self) -> int:
        """Return a timestamp under which an earlier write wins."""
        return _FIRST_STAYS - self._next_us()

    def gives_way(self) -> int:
        """Return a timestamp under which a later write wins, and anything that does not give way."""
        return _GIVES_WAY + self._next_us()

    def last_stays(self) -> int:
        """Return a timestamp under which a later write wins."""
        return self._next_us()

    def _next_us(self) -> int:
        with self._lock:
            self._last_us = max(self._last_us + 1, time.time_ns() // 1000)
            return self._last_us


CLOCK = WriteClock()
"""The clock of this process."""
