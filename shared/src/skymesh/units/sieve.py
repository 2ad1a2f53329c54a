"""Cuts over a table of alerts, one after the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skymesh.units.filter import Verdict
from skymesh.units.table import AlertTable

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]

NOT_FOR_THIS_SURVEY = Verdict(False, "not_for_this_survey")
_ACCEPTED = Verdict(True)


class Sieve:
    """The alerts of a table that passed every cut so far, and which cut each other one failed.

    Only survivors meet the next cut, so cheap cuts come first::

        sieve = Sieve(table, survey="ztf")
        sieve.at_least("min_rb", sieve.single("rb"), 0.3)
        sieve.at_most("max_fwhm", sieve.single("fwhm"), 5.0)
        return sieve.verdicts()

    The reason of a rejection is the name and value of the first cut that failed, ``min_rb: 0.12``;
    the value is ``absent`` where the packet has none.

    Parameters
    ----------
    table
        The alerts.
    survey
        Whose alerts the filter is for; those of others are rejected as ``not_for_this_survey``.

    Attributes
    ----------
    table
        The survivors.
    """

    def __init__(self, table: AlertTable, survey: str) -> None:
        is_ours = np.array([alert.survey == survey for alert in table], dtype=bool)
        self._verdicts = [_ACCEPTED if ours else NOT_FOR_THIS_SURVEY for ours in is_ours.tolist()]
        self._rows = np.flatnonzero(is_ours)
        self.table = table.select(is_ours)

    def verdicts(self) -> list[Verdict]:
        """Return a verdict for each alert of the whole table; the survivors are accepted."""
        return self._verdicts

    def column(self, name: str) -> NDArray[np.float64]:
        """Return a numeric value of the survivors' triggering records; NaN where absent."""
        return self.table.column(name)

    def single(self, name: str) -> NDArray[np.float32]:
        """Return a value that the survey writes in single precision as such; NaN where absent.

        NumPy compares such an array with a limit in single precision: a packet's 0.7 is then no less
        than 0.7, though written in double precision it is 0.699999988.
        """
        with np.errstate(over="ignore"):
            return self.table.column(name).astype(np.float32)

    def at_least(self, cut: str, values: Floats, low: float) -> Bools:
        """Keep what is as high as a limit, or higher; see `keep`."""
        return self.keep(cut, values >= low, values)

    def at_most(self, cut: str, values: Floats, high: float) -> Bools:
        """Keep what is as low as a limit, or lower; see `keep`."""
        return self.keep(cut, values <= high, values)

    def keep(self, cut: str, passes: Bools, values: Floats | Sequence[str] | str) -> Bools:
        """Keep the survivors for which a cut is true.

        Parameters
        ----------
        cut
            Name of the cut: the parameter that sets it.
        passes
            Shape ``(n_survivors,)``.
        values
            What the cut was made on, for the reasons; shape ``(n_survivors,)`` or one text for all.

        Returns
        -------
        numpy.ndarray
            `passes`, to take from columns what the next cut needs.
        """
        if passes.all():
            return passes
        for index in np.flatnonzero(~passes).tolist():
            value = values if isinstance(values, str) else _text(values[index])
            self._verdicts[self._rows[index]] = Verdict(False, f"{cut}: {value}")
        self._rows = self._rows[passes]
        self.table = self.table.select(passes)
        return passes


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    # Seven digits tell apart what single precision tells apart.
    return "absent" if math.isnan(value) else f"{value:.7g}"
