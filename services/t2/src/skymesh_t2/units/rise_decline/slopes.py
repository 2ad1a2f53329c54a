"""Where a band peaks, and how steeply it gets there and away."""

from __future__ import annotations

import numpy as np

from skymesh_t2.units.rise_decline.numbers import Numbers
from skymesh_t2.units.series import Series


def peak_days(rows: Series) -> float:
    """Return the time of the highest flux, the first such if there are several."""
    return float(rows.days[np.argmax(rows.flux_njy)])


def slopes(rows: Series) -> Numbers:
    """Return slopes, their significances and the time above half the highest flux of one band.

    The row of the highest flux belongs to the rise and to the fall. No slope is left out for its size:
    what counts as absurd depends on how bright the source is.
    """
    peak = peak_days(rows)
    found: Numbers = {}
    for name, part in (("rise", rows[rows.days <= peak]), ("fall", rows[rows.days >= peak])):
        line = slope_of(part)
        if line is not None:
            found[f"{name}_slope_njy_per_day"], err = line
            found[f"{name}_slope_snr"] = line[0] / err
    high = rows.days[rows.flux_njy > rows.flux_njy.max() / 2]
    if len(high) > 2:
        found["halfpeak_days"] = high[-1] - high[0]
    return found


def slope_of(rows: Series) -> tuple[float, float] | None:
    """Return slope and error (nJy/d) of a straight line, fitted with weights 1/error²; None of one time.

    With weights w and w̄-means, slope = Σw(t−t̄)(f−f̄) / Σw(t−t̄)², variance 1/Σw(t−t̄)² (e.g. Bevington
    and Robinson, Data Reduction and Error Analysis, chapter 6).
    """
    weight = rows.flux_err_njy**-2
    offset = rows.days - np.sum(weight * rows.days) / np.sum(weight)
    spread = float(np.sum(weight * offset**2))
    # Rows of one time leave a spread of rounding errors.
    if rows.days[0] == rows.days[-1] or not 0 < spread < np.inf:
        return None
    mean_njy = np.sum(weight * rows.flux_njy) / np.sum(weight)
    return float(np.sum(weight * offset * (rows.flux_njy - mean_njy)) / spread), spread**-0.5


def flux_evolution(rows: Series, evolution_days: float, cadence_days: float) -> Numbers:
    """Return the mean flux some time after the highest one, over it; nothing where that is negative."""
    peak, highest = peak_days(rows), rows.flux_njy.max()
    later = np.abs(rows.days - peak - evolution_days) < cadence_days / 2
    later &= rows.days >= peak
    if highest <= 0 or not later.any():
        return {}
    return {"flux_evolution_ratio": rows.flux_njy[later].mean() / highest}
