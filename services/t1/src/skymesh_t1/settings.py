"""Settings of the service T1."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from skymesh.settings.service import ServiceSettings
from skymesh_t1.tier import INLINE_BYTES


class T1Settings(ServiceSettings):
    """Settings of T1: those of every service, and its own.

    Attributes
    ----------
    inline_bytes
        Points of a record travel with it up to this size; above it T2 reads them from the store.
    """

    inline_bytes: Annotated[int, Field(ge=0)] = INLINE_BYTES
