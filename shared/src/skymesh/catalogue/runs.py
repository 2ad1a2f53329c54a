"""Rows on their way into a catalogue: sorted runs on disk, so that memory stays bounded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from skymesh.catalogue.columns import INDEX
from skymesh.catalogue.pixels import BASE_PIXELS, ORDER, Floats, Integers, index_of
from skymesh.catalogue.sources import Source
from skymesh.errors import SettingsError

if TYPE_CHECKING:
    import pyarrow as pa

COUNTED_ORDER: Final = 8
"""Rows are counted in the pixels of this order (some 14 arcmin)."""

_RUN_BYTES: Final = 128 << 20
_LOWEST_RA_DEG, _HIGHEST_RA_DEG, _POLE_DEG = -180.0, 360.0, 90.0


class Runs:
    """Sorted runs of rows, each in a file, of which is read what is asked for.

    Parameters
    ----------
    folder
        Where to keep them; it is made.
    source
        Where they come from: its columns are theirs.

    Attributes
    ----------
    source
        As given.
    counts
        Rows in each pixel of the counted order.
    without_position
        How many rows were skipped, for they have no position.
    absent
        Columns of which some value is absent.
    """

    def __init__(self, folder: Path, source: Source) -> None:
        import pyarrow as pa

        folder.mkdir()
        self._folder = folder
        self.source = source
        self._nothing = pa.schema([(INDEX, pa.int64()), *source.types.items()]).empty_table()
        self.counts = np.zeros(BASE_PIXELS << 2 * COUNTED_ORDER, dtype=np.int64)
        self.without_position = 0
        self.absent: set[str] = set()
        self._out_of_range = 0
        self._example = ""
        self._waiting: list[pa.Table] = []
        self._runs: list[tuple[Integers, pa.Table]] = []

    def fill(self) -> None:
        """Take in the rows of the source; those without a position are left out.

        Raises
        ------
        SettingsError
            If the source cannot be read, or has positions that are not on the sphere.
        """
        for batch in self.source.batches():
            self._add(batch)
        if self._out_of_range:
            raise SettingsError(
                f"{self._out_of_range} rows lie not within {_LOWEST_RA_DEG:g} to {_HIGHEST_RA_DEG:g} and"
                f" ±{_POLE_DEG:g} degrees; the first has {self._example}",
                where=str(self.source.path),
            )
        if self._waiting:
            self._spill()

    def _add(self, rows: pa.Table) -> None:
        import pyarrow as pa

        ra_deg, dec_deg = (rows[name].to_numpy() for name in self.source.position)
        is_placed = ~(np.isnan(ra_deg) | np.isnan(dec_deg))
        is_on_sky = self._on_sky(ra_deg, dec_deg)
        self.without_position += int((~is_placed).sum())
        self._refuse(ra_deg, dec_deg, is_placed & ~is_on_sky)
        if not is_on_sky.all():
            rows = rows.filter(pa.array(is_on_sky))
        index = index_of(ra_deg[is_on_sky], dec_deg[is_on_sky])
        self.counts += np.bincount(index >> 2 * (ORDER - COUNTED_ORDER), minlength=len(self.counts))
        self.absent |= {name for name in rows.column_names if rows[name].null_count}
        self._waiting.append(rows.add_column(0, INDEX, pa.array(index)))
        if sum(table.nbytes for table in self._waiting) > _RUN_BYTES:
            self._spill()

    @staticmethod
    def _on_sky(ra_deg: Floats, dec_deg: Floats) -> np.ndarray:
        return (ra_deg >= _LOWEST_RA_DEG) & (ra_deg <= _HIGHEST_RA_DEG) & (np.abs(dec_deg) <= _POLE_DEG)

    def _refuse(self, ra_deg: Floats, dec_deg: Floats, is_bad: np.ndarray) -> None:
        if is_bad.any() and not self._out_of_range:
            self._example = f"{ra_deg[is_bad][0]:g} {dec_deg[is_bad][0]:g}"
        self._out_of_range += int(is_bad.sum())

    def _spill(self) -> None:
        import pyarrow as pa

        rows = pa.concat_tables(self._waiting).sort_by(INDEX).combine_chunks()
        self._waiting.clear()
        path = self._folder / f"{len(self._runs)}.arrow"
        with pa.ipc.new_file(path, rows.schema) as writer:
            writer.write_table(rows)
        run = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        self._runs.append((run[INDEX].to_numpy(), run))

    def between(self, start: int, stop: int) -> pa.Table:
        """Return the rows of a half-open range of indices, run by run."""
        import pyarrow as pa

        parts = [self._nothing]
        for index, run in self._runs:
            first, last = np.searchsorted(index, [start, stop])
            parts.append(run.slice(first, last - first))
        return pa.concat_tables(parts)
