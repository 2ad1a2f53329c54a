"""Catalogues made in tests, and the plainest search to compare with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.coordinates import SkyCoord

from skymesh.catalogue import Catalogue
from skymesh.catalogue.importing import Imported, import_catalogue

Columns = Mapping[str, Any]


def imported(folder: Path, columns: Columns, *, keep: Sequence[str] = ()) -> Imported:
    """Write columns, ra and dec among them, to a Parquet file in a folder, and import it."""
    source = folder / "source.parquet"
    pq.write_table(pa.table(dict(columns)), source)
    return import_catalogue(source, folder / "made", ra_column="ra", dec_column="dec", columns=keep)


def catalogue(folder: Path, columns: Columns) -> Catalogue:
    """Return a catalogue of columns, ra and dec among them."""
    return imported(folder, columns).catalogue


def on_the_sphere(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return positions (degrees) spread evenly over the sphere."""
    return rng.uniform(0, 360, size), np.degrees(np.arcsin(rng.uniform(-1, 1, size)))


def separations_arcsec(ra_deg: np.ndarray, dec_deg: np.ndarray, columns: Columns) -> np.ndarray:
    """Return the separation of each position from each row, as astropy computes it."""
    asked = SkyCoord(np.atleast_1d(ra_deg) * u.deg, np.atleast_1d(dec_deg) * u.deg)
    rows = SkyCoord(np.asarray(columns["ra"]) * u.deg, np.asarray(columns["dec"]) * u.deg)
    return asked[:, None].separation(rows[None, :]).arcsec
