"""Bands against each other: colours at a time, and how ratios change after the peak."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from skymesh_t2.units.rise_decline.numbers import Numbers, by_name, finite
from skymesh_t2.units.series import Series

Pairs = tuple[tuple[str, str], ...]
"""Bands, the bluer first."""

_MAX_RATIO = 10.0


def near(name: str, rows: Series, pairs: Pairs) -> dict[str, Any]:
    """Return the bands of some rows, and the colours of their inverse-variance mean fluxes, in magnitudes."""
    flux = {band: _mean_flux(part) for band, part in rows.by_band.items()}
    colours = {
        f"{bluer}-{redder}": -2.5 * np.log10(flux[bluer] / flux[redder])
        for bluer, redder in pairs
        if flux.get(bluer, 0) > 0 and flux.get(redder, 0) > 0
    }
    return {f"{name}_bands": tuple(flux), f"colour_{name}_mag": finite(colours)}


def spline_ratios(by_band: Mapping[str, Numbers], pairs: Pairs, evolution_days: float) -> dict[str, Numbers]:
    """Return how the ratio of two bands' splines changes after their first peaks, by name, then colour."""
    return by_name(_ratios(by_band, pairs, evolution_days))


def _ratios(
    by_band: Mapping[str, Numbers], pairs: Pairs, evolution_days: float
) -> Iterable[tuple[str, Numbers]]:
    peaks, offsets = (by_band.get(name, {}) for name in ("spline_peak_flux_njy", "spline_offset_flux_njy"))
    for bluer, redder in pairs:
        if bluer not in peaks or redder not in peaks:
            continue
        found = {"peak_ratio": peaks[bluer][0] / peaks[redder][0]}
        later = offsets.get(bluer, ()), offsets.get(redder, ())
        if all(later) and later[1][0] != 0:
            ratio = later[0][0] / later[1][0]
            evolution = (found["peak_ratio"] - ratio) / evolution_days
            if 0 < ratio < _MAX_RATIO:
                found["offset_ratio"] = ratio
            if evolution < _MAX_RATIO:
                found["ratio_evolution_per_day"] = evolution
        yield f"{bluer}-{redder}", found


def _mean_flux(rows: Series) -> float:
    weight = rows.flux_err_njy**-2
    return float(np.sum(weight * rows.flux_njy) / np.sum(weight))
