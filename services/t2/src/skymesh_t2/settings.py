"""Settings of the service T2."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from skymesh.jobs.pools import pool_problem
from skymesh.settings.service import ServiceSettings
from skymesh_t2.pool import tier_of


def _checked(pool: str) -> str:
    if problem := pool_problem(pool):
        raise ValueError(problem)
    return pool


class T2Settings(ServiceSettings):
    """Settings of T2: those of every service, and its own.

    Attributes
    ----------
    workers
        Processes that run units. In one that hangs beyond its deadline, or dies, one execution is lost and
        settles as failed. 0 runs units in the service's own process: then native code that hangs is not
        ended.
    pool
        The pool of units that this service runs: those that name it, here or in the job. Empty: those that
        name none. Units of a pool that no service runs wait for one.
    """

    workers: Annotated[int, Field(ge=0, le=256)] = 1
    pool: Annotated[str, AfterValidator(_checked)] = ""

    def tier_of(self, service: str) -> str:  # noqa: ARG002  # its pool says it all
        """Return the name of the T2 of the pool."""
        return tier_of(self.pool)
