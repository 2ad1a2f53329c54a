"""Where the loop takes the job of a run from."""

from __future__ import annotations

from typing import Protocol

from skymesh.errors import InvariantError
from skymesh.jobs.deployed import Deployed
from skymesh.model.ids import Digest, text_id


class Jobs(Protocol):
    """The jobs of runs."""

    async def load(self, run: Digest) -> Deployed:
        """Return the job of a run.

        Raises
        ------
        InvariantError
            If there is none.
        SettingsError
            If this process cannot run it as it was deployed.
        """


class OneJob:
    """The job of the only run."""

    def __init__(self, deployed: Deployed) -> None:
        self._deployed = deployed

    async def load(self, run: Digest) -> Deployed:
        """Return the job."""
        if run != self._deployed.run:
            raise InvariantError("is not the run at work here", where=text_id("run", run))
        return self._deployed
