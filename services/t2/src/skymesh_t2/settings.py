"""Settings of the service T2."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from skymesh.settings.service import ServiceSettings


class T2Settings(ServiceSettings):
    """Settings of T2: those of every service, and its own.

    Attributes
    ----------
    workers
        Processes that run units. In one that hangs beyond its deadline, or dies, one execution is lost and
        settles as failed. 0 runs units in the service's own process: then native code that hangs is not
        ended.
    pool
        The pool of units that this service runs: those that name it. Empty: those that name none.
    """

    workers: Annotated[int, Field(ge=0, le=256)] = 1
    pool: str = ""
