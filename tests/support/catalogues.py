"""Small catalogues, made by the tests."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from skymesh.catalogue import Catalogue
from skymesh.catalogue.importing import import_catalogue


def written_catalogue(folder: Path, rows: Sequence[Mapping[str, float | None]]) -> Catalogue:
    """Return a new catalogue of some rows, ``ra`` and ``dec`` (deg, ICRS) among their values.

    Parameters
    ----------
    folder
        Where to put it, in a folder of its own.
    rows
        Name of the column → number; the first row names all columns.
    """
    place = Path(tempfile.mkdtemp(dir=folder))
    columns = {name: pa.array([row[name] for row in rows], pa.float64()) for name in rows[0]}
    pq.write_table(pa.table(columns), place / "table.parquet")
    made = import_catalogue(place / "table.parquet", place / "catalogue", ra_column="ra", dec_column="dec")
    return made.catalogue
