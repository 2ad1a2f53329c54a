"""How many records the next batch may have."""

from __future__ import annotations


class BatchSize:
    """Bounds batches in count, and through it in time.

    A batch that took too long makes the next one smaller; quick ones let it grow again.

    Parameters
    ----------
    most
        Most records.
    wanted_s
        How long a batch should take at most, in seconds.
    """

    def __init__(self, most: int, wanted_s: float) -> None:
        self._most = most
        self._wanted_s = wanted_s
        self.records = most

    def took(self, seconds: float, records: int) -> None:
        """Take note of how long a batch took."""
        if seconds > self._wanted_s:
            self.records = max(1, records // 2)
        elif seconds < self._wanted_s / 4:
            self.records = min(self._most, 2 * self.records)
