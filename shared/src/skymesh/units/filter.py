"""Filters: which alerts a channel keeps."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

from skymesh.units.table import AlertTable, AlertView
from skymesh.units.unit import Unit


class Verdict(NamedTuple):
    """What a filter says of one alert.

    Attributes
    ----------
    is_accepted
        Whether the channel keeps the alert.
    reason
        Why not: name and value of the cut that failed.
    """

    is_accepted: bool
    reason: str = ""


Verdicts = Sequence[Verdict]
"""One verdict per alert of a table, in its order."""


class Filter(Unit):
    """Keeps or rejects alerts. Write `accept`; for whole tables see `TableFilter`.

    Behind the alert it may ask for catalogues of the job's resources: ``gaia: Catalogue``, or
    ``gaia: Catalogue | None = None`` if it can do without, or ``Mapping[str, Catalogue]``.
    """

    survey: ClassVar[str] = ""
    """The survey whose alerts alone it judges; empty if it judges those of any."""

    @abstractmethod
    def accept(self, alert: AlertView, *args: Any, **given: Any) -> Verdict:
        """Judge one alert, of which only what the channel may see is there."""

    def accept_table(self, table: AlertTable, *args: Any, **given: Any) -> Verdicts:
        """Judge a batch of alerts, in order; here by judging each alone."""
        return [self.accept(alert, *args, **given) for alert in table]


class TableFilter(Filter):
    """A filter that judges whole tables. Write `accept_table`."""

    @abstractmethod
    def accept_table(self, table: AlertTable, *args: Any, **given: Any) -> Verdicts:
        """Judge a batch of alerts, in order."""

    def accept(self, alert: AlertView, *args: Any, **given: Any) -> Verdict:
        """Judge one alert: a table of one row."""
        return self.accept_table(AlertTable((alert,)), *args, **given)[0]
