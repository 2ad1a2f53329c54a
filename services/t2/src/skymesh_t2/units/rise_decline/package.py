"""Features of the package light-curve (https://github.com/light-curve), which is installed or not."""

from __future__ import annotations

import functools
import importlib.util
from typing import Any

import numpy as np

from skymesh_t2.units.series import Series

_MIN_POINTS = 4
_NAMES = (
    "Eta",
    "MaximumSlope",
    "Periodogram",
    "Skew",
    "StandardDeviation",
    "ExcessVariance",
    "LinearFit",
    "AndersonDarlingNormal",
    "Kurtosis",
    "StetsonK",
)


def is_installed() -> bool:
    """Return whether the package is there."""
    return importlib.util.find_spec("light_curve") is not None


def package_features(rows: Series) -> dict[str, float]:
    """Return the features of one band's fluxes, under the package's names; of 4 times and more.

    A feature that is not defined for these fluxes is left out. Rows of equal time are joined: between
    them the steepest slope would be infinite.
    """
    rows = rows.joined()
    if len(rows) < _MIN_POINTS:
        return {}
    values: dict[str, float] = {}
    for feature in _features():
        found = feature(rows.days, rows.flux_njy, rows.flux_err_njy, sorted=True, fill_value=np.nan)
        values |= dict(zip(feature.names, found.tolist(), strict=True))
    return values


@functools.cache
def _features() -> tuple[Any, ...]:
    import light_curve

    return tuple(getattr(light_curve, name)() for name in _NAMES)
