"""Makes a catalogue from a table, in bounded memory and all or nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from skymesh.catalogue import hats
from skymesh.catalogue.catalogue import Catalogue
from skymesh.catalogue.columns import INDEX, absent_as_nan, in_normal_order
from skymesh.catalogue.hats import Tile
from skymesh.catalogue.pixels import BASE_PIXELS, ORDER, Integers
from skymesh.catalogue.row_groups import content_digest
from skymesh.catalogue.runs import COUNTED_ORDER, Runs
from skymesh.catalogue.sources import open_source
from skymesh.errors import SettingsError
from skymesh.model.ids import text_id

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
        range, no row has one, or the target exists or cannot be written.
    """
    chosen = open_source(source, (ra_column, dec_column), columns)
    try:
        if target.exists():
            raise SettingsError("exists already", where=str(target))
        target.parent.mkdir(parents=True, exist_ok=True)
        # Beside the target, so on the same file system: one renaming makes the catalogue.
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as beside:
            runs = Runs(Path(beside, "runs"), chosen)
            made = Path(beside, "catalogue")
            Path(made, "dataset").mkdir(parents=True)
            _fill(made, runs, name or target.name)
            made.rename(target)
    except OSError as error:
        raise SettingsError(f"cannot be written: {error.strerror or error}", where=str(target)) from error
    return Imported(Catalogue.open(target), runs.without_position, chosen.left_out)


def _fill(folder: Path, runs: Runs, name: str) -> None:
    """Write a catalogue; its properties come last, for they make it one."""
    runs.fill()
    if runs.without_position and not runs.counts.any():
        ra, dec = runs.source.position
        problem = f"none of its {runs.without_position} rows has a position in {ra} and {dec}"
        raise SettingsError(problem, where=str(runs.source.path))
    schema = _settled(runs, runs.between(0, 0)).schema
    tiles = sorted(_cut(runs.counts), key=lambda tile: tile.start)
    for tile in tiles:
        _write_tile(folder, runs, tile)
    hats.write_schema(folder, schema)
    hats.write_tiles(folder, tiles)
    types = {field.name: field.type for field in schema if field.name != INDEX}
    said = _properties(name, runs, tiles)
    digest = content_digest(folder, tiles, types, runs.source.position)
    hats.write_properties(folder, said | {hats.DIGEST: text_id("catalogue", digest)})


def _cut(counts: Integers) -> Iterator[Tile]:
    """Yield the tiles for the numbers of rows in the pixels of the counted order."""
    undecided = np.ones(BASE_PIXELS, dtype=np.bool_)
    for order in range(COUNTED_ORDER + 1):
        rows = counts.reshape(BASE_PIXELS << 2 * order, -1).sum(axis=1)
        is_tile = undecided & ((rows <= TILE_ROWS) | (order == COUNTED_ORDER))
        yield from (Tile(order, int(pixel)) for pixel in np.flatnonzero(is_tile & (rows > 0)))
        undecided = np.repeat(undecided & ~is_tile, 4)


def _write_tile(folder: Path, runs: Runs, tile: Tile) -> None:
    import pyarrow.parquet as pq

    rows = in_normal_order(_settled(runs, runs.between(tile.start, tile.stop)))
    path = folder / tile.path
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, path, row_group_size=GROUP_ROWS, compression="zstd", write_page_checksum=True)


def _settled(runs: Runs, rows: pa.Table) -> pa.Table:
    """Return rows in which every column of integers or flags is complete, or else one of numbers."""
    import pyarrow as pa

    for place, name in enumerate(rows.column_names):
        if name in runs.absent and rows[name].type in {pa.int64(), pa.bool_()}:
            try:
                rows = rows.set_column(place, name, absent_as_nan(rows[name]))
            except pa.ArrowInvalid as error:
                problem = f"column {name!r} has absent values, and an integer too big beside them: {error}"
                raise SettingsError(problem, where=str(runs.source.path)) from error
    return rows


def _properties(name: str, runs: Runs, tiles: Sequence[Tile]) -> dict[str, object]:
    sky = sum(4.0**-tile.order for tile in tiles) / BASE_PIXELS
    return {
        "obs_collection": " ".join(name.split()),
        "dataproduct_type": "object",
        "hats_nrows": int(runs.counts.sum()),
        "hats_col_ra": runs.source.position[0],
        "hats_col_dec": runs.source.position[1],
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
