"""Small catalogues, written down row by row."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from skymesh.catalogue import Catalogue
from support.catalogues import catalogue


def catalogue_of(folder: Path, rows: Sequence[Mapping[str, float | None]]) -> Catalogue:
    """Return a new catalogue of some rows, ``ra`` and ``dec`` (deg, ICRS) among their values.

    Parameters
    ----------
    folder
        Where to put it, in a folder of its own.
    rows
        Name of the column → number; the first row names all columns.
    """
    columns = {name: pa.array([row[name] for row in rows], pa.float64()) for name in rows[0]}
    return catalogue(Path(tempfile.mkdtemp(dir=folder)), columns)
