"""A filter that keeps everything."""

from __future__ import annotations

from skymesh.units import AlertTable, TableFilter, Verdict, Verdicts


class AcceptAll(TableFilter):
    """Accept every alert that the channel may see."""

    version = "1"

    def accept_table(self, table: AlertTable) -> Verdicts:
        """Accept each alert."""
        return [Verdict(True)] * len(table)
