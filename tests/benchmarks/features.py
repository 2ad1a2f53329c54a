"""How long `RiseDecline` takes for one state, and where the time goes.

Run as ``python tests/benchmarks/features.py``; see the README beside it.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from skymesh.lightcurve import LightCurve
from skymesh_t2.units.rise_decline import RiseDecline
from support.curves import flux_curve

BANDS = ("lsstg", "lsstr", "lssti", "lsstz")
POINTS, CURVES, ERR_NJY = 30, 100, 200.0


def curves() -> list[LightCurve]:
    """Return light curves of a supernova's shape with noise, 30 points in four bands each."""
    rng = np.random.default_rng(2021)
    made = []
    for _ in range(CURVES):
        days = np.sort(rng.uniform(0, 70, POINTS))
        since = days - rng.uniform(10, 40)
        flux = 1e4 * np.exp(-since / 25) / (1 + np.exp(-since / 4)) + rng.normal(0, ERR_NJY, POINTS)
        bands = rng.permutation(POINTS) % len(BANDS)
        made.append(
            flux_curve([(day, BANDS[b], f, ERR_NJY) for day, b, f in zip(days, bands, flux, strict=True)])
        )
    return made


def ms_per_state(unit: RiseDecline, given: list[LightCurve], repeats: int) -> list[float]:
    """Return CPU time per state of each repeat, in ms; the first, which imports libraries, is left out."""
    found = []
    for _ in range(repeats + 1):
        start = time.process_time()
        for curve in given:
            unit.run(curve)
        found.append((time.process_time() - start) / len(given) * 1e3)
    return found[1:]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure the features of light curves.")
    parser.add_argument("--repeats", type=int, default=5, help="how often to measure (default: 5)")
    parser.add_argument("--profile", action="store_true", help="show where the time goes instead")
    options = parser.parse_args()
    given = curves()
    for name, unit in {"plain": RiseDecline(), "package": RiseDecline(package_features=True)}.items():
        if options.profile:
            with cProfile.Profile() as profile:
                ms_per_state(unit, given, 1)
            pstats.Stats(profile).sort_stats("cumulative").print_stats(20)
            continue
        found = ms_per_state(unit, given, options.repeats)
        sys.stdout.write(f"{name}: {median(found):.2f} ms/state ({min(found):.2f}-{max(found):.2f})\n")


if __name__ == "__main__":
    main()
