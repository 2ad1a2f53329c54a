"""How long to wait between attempts at something that does not answer."""

from __future__ import annotations

FIRST_S, MOST_S = 0.2, 10.0


class BackOff:
    """Pauses that grow from attempt to attempt, from `FIRST_S` to `MOST_S`."""

    def __init__(self) -> None:
        self._next_s = FIRST_S

    def next_s(self) -> float:
        """Return how long to wait before the next attempt, in seconds."""
        wait_s, self._next_s = self._next_s, min(2 * self._next_s, MOST_S)
        return wait_s

    def reset(self) -> None:
        """Begin anew: an attempt has succeeded."""
        self._next_s = FIRST_S
