"""Exponential rise and decline of one band, fitted within bounds.

The fits are Levenberg-Marquardt (MINPACK) on parameters that run over a sine between their bounds, with
analytic derivatives; they begin where the data says and not at random, so equal rows give equal numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.optimize import leastsq

from skymesh.lightcurve import Floats
from skymesh_t2.units.rise_decline.numbers import Numbers
from skymesh_t2.units.rise_decline.slopes import peak_days
from skymesh_t2.units.series import Series

_TAU_MAX_DAYS = 100.0
_TAU_KEPT_DAYS = (0.01, 75.0)
_RATE_MAX_PER_DAY = 10.0
_MAX_CALLS = 100
# An exponent beyond it is as good as infinite, and squares of it can still be added up.
_EXPONENT_MAX = 300.0


class Model(NamedTuple):
    """A light curve of amplitude 1.

    Attributes
    ----------
    shape
        (parameters, days) → flux, shape ``(n_rows,)``.
    derivatives
        (parameters, days, flux) → its derivatives by the parameters, shape ``(n_parameters, n_rows)``.
    """

    shape: Callable[[Floats, Floats], Floats]
    derivatives: Callable[[Floats, Floats, Floats], Floats]


def decay(rows: Series, *, cadence_days: float, min_points: int) -> Numbers:
    """Return time scales of rise and fall or, of few rows, the rate of a single exponential.

    Rise and fall, f = A exp(-x/fall) / (1 + exp(-x/rise)) with x = t - t0 (Villar et al. 2019,
    ApJ 884, 83, without plateau), needs more than `min_points` rows and some on either side of the
    highest flux. Its t0 lies within ten cadences of that, its time scales between 0
    and 100 d; both are kept only if they lie between 0.01 and 75 d. A single exponential needs more
    than half of `min_points`; its rate is kept below 10 per day. `min_points` is 4 or more.
    """
    peak = peak_days(rows)
    days, top = rows.days - peak, float(np.abs(rows.flux_njy).max())
    count = len(rows)
    if top == 0:
        return {}
    flux, err = rows.flux_njy / top, rows.flux_err_njy / top
    if count > min_points and days[0] < 0 < days[-1]:
        return _rise_and_fall(days, flux, err, 10 * cadence_days)
    if count > min_points / 2 and days[0] < days[-1]:
        return _exponential(days, flux, err)
    return {}


def _rise_and_fall(days: Floats, flux: Floats, err: Floats, reach_days: float) -> Numbers:
    high = np.array([reach_days, _TAU_MAX_DAYS, _TAU_MAX_DAYS])
    low = np.array([-reach_days, 0.0, 0.0])
    start = np.array([0.0, max(-days[0] / 3, 0.5), max(days[-1] / 3, 0.5)])
    found = _fit(_VILLAR, days, flux, err, low, high, start)
    if found is None:
        return {}
    (_, rise, fall), chi2 = found
    if not all(_TAU_KEPT_DAYS[0] < tau < _TAU_KEPT_DAYS[1] for tau in (rise, fall)):
        return {}
    dof = len(days) - 4
    return {"tau_rise_days": rise, "tau_fall_days": fall, "tau_reduced_chi2": chi2 / dof, "tau_dof": dof}


def _exponential(days: Floats, flux: Floats, err: Floats) -> Numbers:
    limit = np.array([_RATE_MAX_PER_DAY])
    slope = np.polyfit(days, flux, 1)[0] / max(abs(flux.mean()), 1e-3)
    start = np.clip([slope], -limit / 2, limit / 2)
    found = _fit(_GROWTH, days, flux, err, -limit, limit, start)
    if found is None:
        return {}
    rate = float(found[0][0])
    return {"exp_rate_per_day": rate} if abs(rate) < 0.999 * _RATE_MAX_PER_DAY else {}


def _villar(parameters: Floats, days: Floats) -> Floats:
    t0, rise, fall = parameters
    since = days - t0
    exponent = -since / fall - np.logaddexp(0.0, -since / rise)
    shape: Floats = np.exp(np.clip(exponent, -_EXPONENT_MAX, _EXPONENT_MAX))
    return shape


def _villar_derivatives(parameters: Floats, days: Floats, shape: Floats) -> Floats:
    t0, rise, fall = parameters
    since = days - t0
    # 1 - 1 / (1 + exp(-x/rise)), without overflow
    rising = -np.expm1(-np.logaddexp(0.0, -since / rise))
    return np.array(
        [shape / fall - shape * rising / rise, -shape * rising * since / rise**2, shape * since / fall**2]
    )


def _growth(parameters: Floats, days: Floats) -> Floats:
    shape: Floats = np.exp(np.clip(parameters[0] * days, -_EXPONENT_MAX, _EXPONENT_MAX))
    return shape


def _growth_derivatives(_: Floats, days: Floats, shape: Floats) -> Floats:
    return np.array([shape * days])


_VILLAR = Model(_villar, _villar_derivatives)
_GROWTH = Model(_growth, _growth_derivatives)


def _fit(
    model: Model, days: Floats, flux: Floats, err: Floats, low: Floats, high: Floats, start: Floats
) -> tuple[Floats, float] | None:
    """Return the parameters between `low` and `high` that fit best, and chi-squared; None without a fit.

    The amplitude is no parameter of a model: it is fitted beside them, free.
    """
    middle, reach = (high + low) / 2, (high - low) / 2

    def bounded(free: Floats) -> Floats:
        return np.maximum(middle + reach * np.sin(free), low + 1e-9 * reach)

    def residual(values: Floats) -> Floats:
        pull: Floats = (values[0] * model.shape(bounded(values[1:]), days) - flux) / err
        return pull

    def derivatives(values: Floats) -> Floats:
        parameters = bounded(values[1:])
        shape = model.shape(parameters, days)
        steps = values[0] * reach * np.cos(values[1:])
        inner = steps[:, np.newaxis] * model.derivatives(parameters, days, shape)
        slopes: Floats = np.concatenate([shape[np.newaxis], inner]) / err
        return slopes

    free = np.arcsin(np.clip((start - middle) / reach, -0.99, 0.99))
    shape = model.shape(bounded(free), days)
    amplitude = np.sum(shape * flux / err**2) / np.sum((shape / err) ** 2)
    first = np.array([amplitude, *free])
    if not np.isfinite(residual(first)).all():
        return None
    best = leastsq(residual, first, Dfun=derivatives, col_deriv=True, full_output=True, maxfev=_MAX_CALLS)
    chi2 = float(np.sum(residual(best[0]) ** 2))
    has_converged = best[-1] in {1, 2, 3, 4} and np.isfinite(chi2)
    return (bounded(best[0][1:]), chi2) if has_converged else None
