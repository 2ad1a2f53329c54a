"""How many positions per second a catalogue is asked for, and what it costs to make and to open one.

Run as ``python tests/benchmarks/catalogue.py``; see the README beside it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from skymesh.catalogue import Catalogue, Cut
from skymesh.catalogue.importing import import_catalogue

CAVEATS = """\
Method. Synthetic rows spread evenly over the sphere: ra, dec, a name, two numbers. Positions: half of them
beside rows, half anywhere, in no order, so that a batch touches tiles all over the sky. A search asks for
two columns under one cut. Cold: the first search of a catalogue just opened, files in the page cache. Warm:
when its rows are in memory; median (lowest-highest) of the repeats. One process, one core.
Caveats. Dense fields have more rows in a cone. Memory holds 256 MiB of rows: of a bigger catalogue,
positions all over the sky are always partly cold, those of one night are less."""


class Measured(NamedTuple):
    """Positions per second of searches of one size and radius."""

    positions: int
    radius_arcsec: float
    matches: int
    cold: float
    warm: list[float]


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Measure cone searches of a catalogue.")
    parser.add_argument(
        "--rows", type=int, default=1_000_000, help="rows of the catalogue (default: 1000000)"
    )
    parser.add_argument("--repeats", type=int, default=5, help="warm searches of each kind (default: 5)")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)), help="the core to use")
    return parser.parse_args()


def on_the_sphere(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return positions (degrees) spread evenly."""
    return rng.uniform(0, 360, size), np.degrees(np.arcsin(rng.uniform(-1, 1, size)))


def write_rows(rng: np.random.Generator, rows: int, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Write the rows of the catalogue; return their positions."""
    ra, dec = on_the_sphere(rng, rows)
    numbers = {"z": rng.exponential(0.1, rows), "mag": rng.normal(18, 2, rows)}
    pq.write_table(
        pa.table({"ra": ra, "dec": dec, "name": [f"G{row}" for row in range(rows)], **numbers}), path
    )
    return ra, dec


def measure(
    path: Path, rng: np.random.Generator, rows: tuple[np.ndarray, np.ndarray], positions: int, repeats: int
) -> list[Measured]:
    """Measure searches of so many positions at once."""
    measured = []
    for radius_arcsec in (10.0, 60.0):
        catalogue = Catalogue.open(path)
        seconds, matches = [], 0
        for _ in range(repeats + 1):
            ra, dec = on_the_sphere(rng, positions)
            beside = rng.integers(0, len(rows[0]), positions // 2)
            ra[: len(beside)], dec[: len(beside)] = rows[0][beside] + 1e-4, rows[1][beside]
            start = time.perf_counter()
            found = catalogue.cone_search(
                ra, dec, radius_arcsec, columns=("z", "mag"), cuts=(Cut("z", 0.002, None),)
            )
            matches += len(found.nearest())
            seconds.append(time.perf_counter() - start)
            if len(seconds) == 1:
                # What follows is warm: all rows that fit are in memory.
                catalogue.cone_search([0], [0], 180 * 3600, columns=("z", "mag"))
        cold, *warm = (positions / each for each in seconds)
        measured.append(Measured(positions, radius_arcsec, matches, cold, warm))
    return measured


def make(source: Path, path: Path) -> str:
    """Make the catalogue; return what that cost."""
    start = time.perf_counter()
    made = import_catalogue(source, path, ra_column="ra", dec_column="dec").catalogue
    import_s = time.perf_counter() - start
    start = time.perf_counter()
    Catalogue.open(path)
    open_ms = 1e3 * (time.perf_counter() - start)
    megabytes = sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 1e6
    return (
        f"import  {made.rows} rows in {import_s:.1f} s: {len(made.tiles)} tiles, {megabytes:.0f} MB\n"
        f"open    {open_ms:.1f} ms"
    )


def line(each: Measured) -> str:
    """Return what was measured as text."""
    low, high = min(each.warm), max(each.warm)
    return (
        f'{each.positions:10d}{each.radius_arcsec:7.0f}"{each.cold:10.0f}{median(each.warm):10.0f}'
        f" ({low:.0f}-{high:.0f})  {each.matches} matches"
    )


def main() -> None:
    """Make a catalogue, search it and print the report."""
    given = arguments()
    os.sched_setaffinity(0, {given.core})
    rng = np.random.default_rng(1)
    lines = [CAVEATS, ""]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "catalogue")
        rows = write_rows(rng, given.rows, Path(folder, "rows.parquet"))
        lines.append(make(Path(folder, "rows.parquet"), path))
        lines.append(f"{'positions':>10}{'radius':>8}{'cold /s':>10}{'warm /s':>10}")
        for positions in (1, 100, 10_000):
            lines += [line(each) for each in measure(path, rng, rows, positions, given.repeats)]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
