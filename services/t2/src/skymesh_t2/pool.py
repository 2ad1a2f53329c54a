"""Pools of workers: which analysers a T2 runs, and under which names."""

from __future__ import annotations

from dataclasses import dataclass

from skymesh.jobs.plan import Instance
from skymesh.runtime.topics import states_of

TIER = "t2"


def tier_of(pool: str) -> str:
    """Return the name of the T2 of a pool, as its group and the journal have it; empty for no pool."""
    return f"{TIER}.{pool}" if pool else TIER


@dataclass(frozen=True)
class Pool:
    """What one T2 runs.

    Attributes
    ----------
    name
        The analysers that name this pool; empty for those that name none. None: all, as in an embedded
        mesh, where nothing travels.
    """

    name: str | None = None

    @property
    def tier(self) -> str:
        """Name of its T2."""
        return tier_of(self.name or "")

    @property
    def reads(self) -> str:
        """Name of the records that it reads."""
        return states_of(self.name or "")

    def runs(self, instance: Instance) -> bool:
        """Return whether an analyser runs here."""
        return self.name is None or instance.pool == self.name


ALL_POOLS = Pool()
