"""Pools of T2 workers: their names, and which of them the analysers of a job ask for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")


def pool_problem(pool: object) -> str:
    """Return why a pool cannot be called that; empty if it can. The empty name is that of no pool."""
    if isinstance(pool, str) and (not pool or _NAME.fullmatch(pool)):
        return ""
    return f"{pool!r} is no name of a pool: up to 32 lower-case letters, digits and '-', a letter first"


def pools_of(resolved: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return the pools of a resolved job's analysers: channel → instance → pool, empty for none."""
    return {
        name: {instance: unit.get("pool", "") for instance, unit in channel["analyse"].items()}
        for name, channel in resolved["channels"].items()
    }


def named_pools(resolved: Mapping[str, Any]) -> frozenset[str]:
    """Return the pools that a resolved job's analysers name."""
    return frozenset(pool for pools in pools_of(resolved).values() for pool in pools.values() if pool)
