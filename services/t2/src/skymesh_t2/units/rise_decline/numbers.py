"""Numbers under their names: which are kept, and how they are turned from band to name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

Numbers = dict[str, Any]
"""Name → float, int or a tuple of floats."""


def finite(numbers: Mapping[str, Any]) -> Numbers:
    """Return plain numbers without those that are none; of a tuple every number must be one."""
    plain = {name: _plain(value) for name, value in numbers.items()}
    return {name: value for name, value in plain.items() if _is_finite(value)}


def by_name(parts: Iterable[tuple[str, Numbers]]) -> dict[str, Numbers]:
    """Turn (band, numbers by name) into numbers by name, then band, leaving out what is no number."""
    found: dict[str, Numbers] = {}
    for band, numbers in parts:
        for name, value in finite(numbers).items():
            found.setdefault(name, {})[band] = value
    return found


def means(by_band: Mapping[str, Numbers], bands: Iterable[str]) -> dict[str, float]:
    """Return the mean over some bands of every number; times of an MJD and tuples have none."""
    found = {}
    for name, numbers in by_band.items():
        values = [numbers[band] for band in bands if band in numbers]
        if values and not name.endswith("_mjd_tai") and not isinstance(values[0], tuple):
            found[name] = float(np.mean(values))
    return finite(found)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _is_finite(value: Any) -> bool:
    return all(map(math.isfinite, value)) if isinstance(value, tuple) else math.isfinite(value)
