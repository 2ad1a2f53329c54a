"""How many records the next batch may have."""

from __future__ import annotations

import math


class BatchSize:
    """Bounds batches in count, and through it in time.

    A batch that took too long makes the next one smaller; quick ones let it grow again. The first is of one
    record: nobody knows yet how long they take, and whoever is ended in a batch that takes hours begins anew.

    Parameters
    ----------
    most
        Most records.
    wanted_s
        How long a batch should take at most, in seconds; infinity if that is all the same.
    """

    def __init__(self, most: int, wanted_s: float) -> None:
        self._most = most
        self._wanted_s = wanted_s
        self.records = most if math.isinf(wanted_s) else 1

    def took(self, seconds: float, records: int) -> None:
        """Take note of how long a batch took."""
        if seconds > self._wanted_s:
            self.records = max(1, records // 2)
        elif seconds < self._wanted_s / 4:
            self.records = min(self._most, 2 * self.records)
