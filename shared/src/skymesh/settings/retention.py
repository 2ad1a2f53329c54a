"""Settings of how long a store keeps what it may forget."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

EXPIRING = ("packets", "decisions", "journal")
"""The classes that may expire."""

KEPT: Mapping[str, str] = {
    "points": "every later alert of an object is judged by what came before",
    "states": "runs share them, under the digest of their content",
    "results": "runs share them: what is gone would be computed again, and never kept again",
    "reactions": "they keep anything from being told twice",
    "letters": "nothing else has the bytes that could not be read",
    "records": "records of the bus lead to them",
    "registry": "it says what everything else means",
}
"""The classes that are kept for ever, and why."""

_Days = Annotated[int, Field(ge=0)]


class RetentionSettings(BaseSettings):
    """How many days `skymesh store expire` leaves each class, from ``SKYMESH_RETENTION_…``; 0 is for ever.

    Attributes
    ----------
    packets_days
        Image stamps and whole packets, counted from when T0 registered their alerts.
    decisions_days, journal_days
        What a run made of each alert, and its journal, counted from when it judged its last alert.
    points_days, states_days, results_days, reactions_days, letters_days, records_days, registry_days
        Kept for ever: anything but 0 is refused, with the reason.
    """

    model_config = SettingsConfigDict(env_prefix="SKYMESH_RETENTION_", extra="ignore", frozen=True)

    packets_days: _Days = 0
    decisions_days: _Days = 0
    journal_days: _Days = 0
    points_days: _Days = 0
    states_days: _Days = 0
    results_days: _Days = 0
    reactions_days: _Days = 0
    letters_days: _Days = 0
    records_days: _Days = 0
    registry_days: _Days = 0

    @field_validator(*(f"{name}_days" for name in KEPT))
    @classmethod
    def _is_kept(cls, days: int, info: ValidationInfo) -> int:
        if days:
            raise ValueError(why_kept((info.field_name or "").removesuffix("_days")))
        return days

    def days(self, retention: str) -> int:
        """Return for how many days a class is kept; 0 is for ever."""
        return int(getattr(self, f"{retention}_days"))


def why_kept(retention: str) -> str:
    """Return why a class never expires, in one line."""
    return f"the class {retention} is kept for ever: {KEPT[retention]}"
