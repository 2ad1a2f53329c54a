"""Makes a catalogue from a table, in bounded memory and all or nothing."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from skymesh.catalogue import hats
from skymesh.catalogue.catalogue import Catalogue
from skymesh.catalogue.columns import INDEX, absent_as_nan, digest_of_rows, in_normal_order
from skymesh.catalogue.hats import Tile
from skymesh.catalogue.pixels import BASE_PIXELS, ORDER, Integers
from skymesh.catalogue.runs import COUNTED_ORDER, Runs
from skymesh.catalogue.sources import Source, open_source
from skymesh.errors import SettingsError

if TYPE_CHECKING:
    import pyarrow as pa

TILE_ROWS: Final = 250_000
"""A tile with more rows is cut in four, down to the order in which rows are counted."""
GROUP_ROWS: Final = 16_384

_HATS_VERSION: Final = "v1.0"
_HATS_DATE: Final = "2025-08-22"


@dataclass(frozen=True)
class Imported:
    """A catalogue that was made.

    Attributes
    ----------
    catalogue
        The catalogue.
    without_position
        How many rows of the source were skipped, for they have no position.
    left_out
        Columns that hold no single values, and were left out.
    """

    catalogue: Catalogue
    without_position: int
    left_out: tuple[str, ...]


def import_catalogue(
    source: Path,
    target: Path,
    *,
    ra_column: str,
    dec_column: str,
    name: str = "",
    columns: Sequence[str] = (),
) -> Imported:
    """Make a catalogue from a CSV, FITS or Parquet table.

    Rows without a position are skipped and counted. The source is read batch by batch; what is
    needed in between lies beside the target.

    Parameters
    ----------
    source
        A file, or a folder of Parquet files.
    target
        The catalogue's folder, which must not exist.
    ra_column, dec_column
        Which columns hold right ascension (-180 to 360) and declination (ICRS, degrees).
    name
        The catalogue's name; else that of the folder.
    columns
        Which columns to keep beside those of the position; else all.

    Raises
    ------
    SettingsError
        If the source cannot be read, a column is missing or of the wrong kind, a position is out of
        range, or the target exists or cannot be written.
    """
    if target.exists():
        raise SettingsError("exists already", where=str(target))
    table = open_source(source, (ra_column, dec_column), columns)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # A folder beside the target: on the same file system, so that one renaming makes the catalogue.
        made = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            without_position = _make(made, table, name or target.name)
            made.chmod(0o755)
            made.rename(target)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    except OSError as error:
        raise SettingsError(f"cannot be written: {error.strerror or error}", where=str(target)) from error
    return Imported(Catalogue.open(target), without_position, table.left_out)


def _make(folder: Path, source: Source, name: str) -> int:
    """Write a catalogue; return how many rows were skipped."""
    runs = Runs(folder / "runs", source)
    for batch in source.batches():
        runs.add(batch)
    runs.finish()
    (folder / "dataset").mkdir()
    hats.write_schema(folder, _settled(runs.between(0, 0), runs.absent).schema)
    tiles = [_write_tile(folder, runs, order, pixel) for order, pixel in _cut(runs.counts)]
    hats.write_tiles(folder, tiles)
    hats.write_properties(folder, _properties(name, source.position, tiles))
    runs.remove()
    return runs.without_position


def _cut(counts: Integers) -> Iterator[tuple[int, int]]:
    """Yield the tiles, as order and pixel, for the rows in the pixels of the counted order."""
    undecided = np.ones(BASE_PIXELS, dtype=np.bool_)
    for order in range(COUNTED_ORDER + 1):
        rows = counts.reshape(BASE_PIXELS << 2 * order, -1).sum(axis=1)
        is_tile = undecided & ((rows <= TILE_ROWS) | (order == COUNTED_ORDER))
        yield from ((order, int(pixel)) for pixel in np.flatnonzero(is_tile & (rows > 0)))
        undecided = np.repeat(undecided & ~is_tile, 4)


def _write_tile(folder: Path, runs: Runs, order: int, pixel: int) -> Tile:
    import pyarrow.parquet as pq

    shift = 2 * (ORDER - order)
    rows = in_normal_order(_settled(runs.between(pixel << shift, (pixel + 1) << shift), runs.absent))
    tile = Tile(order, pixel, rows.num_rows, digest_of_rows(rows))
    path = folder / tile.path
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, path, row_group_size=GROUP_ROWS, compression="zstd", write_page_checksum=True)
    return tile


def _settled(rows: pa.Table, absent: Collection[str]) -> pa.Table:
    """Return rows in which every column of integers or flags is complete, or else of numbers."""
    import pyarrow as pa

    for position, name in enumerate(rows.column_names):
        if name in absent and rows[name].type in {pa.int64(), pa.bool_()}:
            rows = rows.set_column(position, name, absent_as_nan(rows[name]))
    return rows


def _properties(name: str, position: tuple[str, str], tiles: Sequence[Tile]) -> dict[str, object]:
    sky = sum(4.0**-tile.order for tile in tiles) / BASE_PIXELS
    return {
        "obs_collection": name,
        "dataproduct_type": "object",
        "hats_nrows": sum(tile.rows for tile in tiles),
        "hats_col_ra": position[0],
        "hats_col_dec": position[1],
        "hats_col_healpix": INDEX,
        "hats_col_healpix_order": ORDER,
        "hats_npix_suffix": ".parquet",
        "hats_max_rows": TILE_ROWS,
        "hats_order": max((tile.order for tile in tiles), default=0),
        "moc_sky_fraction": f"{sky:.5f}",
        "hats_builder": f"skymesh v{version('skymesh')}",
        "hats_creation_date": f"{datetime.now(UTC):%Y-%m-%dT%H:%MUTC}",
        "hats_release_date": _HATS_DATE,
        "hats_version": _HATS_VERSION,
    }
