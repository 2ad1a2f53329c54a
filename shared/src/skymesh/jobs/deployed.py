"""A job at work: its plan, and the run that it is."""

from __future__ import annotations

from typing import NamedTuple

from skymesh.jobs.plan import ChannelPlan, JobPlan
from skymesh.model.ids import Digest
from skymesh.model.run import Origin


class Deployed(NamedTuple):
    """A job as one run of it.

    Attributes
    ----------
    run
        The run.
    origin
        Whether its alerts are real.
    plan
        Its plan.
    """

    run: Digest
    origin: Origin
    plan: JobPlan

    def channel(self, name: str) -> ChannelPlan:
        """Return a channel by its full name."""
        return self.plan.by_name[name]
