"""A filter that keeps a fixed sample."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from skymesh.model.ids import digest_of
from skymesh.units import AlertTable, TableFilter, Verdict, Verdicts

_WHOLE = 1 << 64


class SampleFilter(TableFilter):
    """Accept a fraction of the alerts, the same ones in every run.

    An alert is in the sample if the digest of its id, as a number from 0 to 1, lies below the rate:
    a smaller sample is part of a larger one. (AMPEL's RandFilter with ``passing_rate`` draws anew
    each time.)

    Attributes
    ----------
    rate
        The fraction to accept, from 0 (none) to 1 (all).
    """

    version = "1"

    rate: Annotated[float, Field(ge=0, le=1)]

    def accept_table(self, table: AlertTable) -> Verdicts:
        """Accept the alerts that belong to the sample."""
        return [self._judge(alert.id) for alert in table]

    def _judge(self, alert_id: bytes) -> Verdict:
        draw = int.from_bytes(digest_of("digest", ["SampleFilter", alert_id])[:8], "big") / _WHOLE
        if draw < self.rate or self.rate == 1:
            return Verdict(True)
        return Verdict(False, f"draw {draw:.6f} >= rate {self.rate}")
