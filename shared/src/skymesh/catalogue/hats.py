"""The HATS layout of a catalogue on disk, as far as the mesh writes and reads it.

::

    hats.properties                           key=value lines: name, columns of position and index
    partition_info.csv                        a line for every tile, with the size and digest of its file
    dataset/_common_metadata                  the columns
    dataset/Norder=k/Dir=d/Npix=n.parquet     the rows of HEALPix tile n of order k; d = n - n mod 10000

Facts: IVOA Note "HATS: A Standard for the Hierarchical Adaptive Tiling Scheme", and the documentation of the
hats package. To the properties the mesh adds ``skymesh_digest``, the digest of the content, and to the tiles
what tells whether their files are still those that were imported.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from skymesh.catalogue.columns import INDEX
from skymesh.catalogue.pixels import BASE_PIXELS, ORDER
from skymesh.errors import SettingsError

if TYPE_CHECKING:
    import pyarrow as pa

PROPERTIES: Final = ("hats.properties", "properties")
TILES: Final = "partition_info.csv"
DIGEST: Final = "skymesh_digest"
SCHEMA: Final = Path("dataset", "_common_metadata")
IMPORT: Final = "make one with skymesh catalogue import"

_TILES_IN_FOLDER: Final = 10_000
_TILE_COLUMNS: Final = ("Norder", "Npix", "skymesh_bytes", "skymesh_blake2b")
_DIGEST_BYTES: Final = 16
_NEEDED: Final = ("obs_collection", "hats_col_ra", "hats_col_dec", "hats_nrows")


class Tile(NamedTuple):
    """A partition of a catalogue: the rows of one HEALPix pixel.

    Attributes
    ----------
    order, pixel
        Which pixel, nested scheme.
    size, file_digest
        Bytes of its file and their digest (BLAKE2b, 128 bits, hexadecimal), once it is written.
    """

    order: int
    pixel: int
    size: int = 0
    file_digest: str = ""

    @property
    def start(self) -> int:
        """The first index in the pixel."""
        return self.pixel << 2 * (ORDER - self.order)

    @property
    def stop(self) -> int:
        """One more than the last index in the pixel."""
        return (self.pixel + 1) << 2 * (ORDER - self.order)

    @property
    def path(self) -> Path:
        """The file, from the catalogue's folder."""
        folder = self.pixel - self.pixel % _TILES_IN_FOLDER
        return Path("dataset", f"Norder={self.order}", f"Dir={folder}", f"Npix={self.pixel}.parquet")


def write_properties(folder: Path, properties: Mapping[str, object]) -> None:
    """Write the file of properties."""
    lines = ["#HATS catalog", *(f"{key}={value}" for key, value in properties.items())]
    (folder / PROPERTIES[0]).write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_properties(folder: Path) -> dict[str, str]:
    """Read the file of properties.

    Raises
    ------
    SettingsError
        If the folder is no catalogue, or has no index or no digest.
    """
    if not folder.is_dir():
        raise SettingsError("no such folder", where=str(folder))
    path = next((folder / name for name in PROPERTIES if (folder / name).is_file()), None)
    if path is None:
        raise SettingsError(f"is no catalogue, for it has no {PROPERTIES[0]}; {IMPORT}", where=str(folder))
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise SettingsError(f"cannot be read: {reason_of(error)}", where=str(path)) from error
    said = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith(("#", "!")))
    properties = {key.strip(): value.strip() for key, value in said.items()}
    for key in _NEEDED:
        if not properties.get(key):
            raise SettingsError(f"{key} is missing", where=str(path))
    if properties.get("hats_col_healpix") != INDEX:
        raise SettingsError(f"names no index column {INDEX}; {IMPORT}", where=str(path))
    if DIGEST not in properties:
        raise SettingsError(f"holds no digest of the rows; {IMPORT}", where=str(path))
    return properties


def write_tiles(folder: Path, tiles: Iterable[Tile]) -> None:
    """Write the list of tiles, whose files are there."""
    with (folder / TILES).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(_TILE_COLUMNS)
        for tile in tiles:
            path = folder / tile.path
            writer.writerow(tile._replace(size=path.stat().st_size, file_digest=digest_of_file(path)))


def digest_of_file(path: Path) -> str:
    """Return the digest of a tile's file, as the list of tiles has it.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=_DIGEST_BYTES)).hexdigest()


def read_tiles(folder: Path) -> tuple[Tile, ...]:
    """Read the list of tiles, in order of their places on the sky.

    Raises
    ------
    SettingsError
        If it is missing or damaged, a tile's file is missing or of another size, or tiles overlap.
    """
    path = folder / TILES
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            missing = [name for name in _TILE_COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise SettingsError(f"has no column {', '.join(missing)}; {IMPORT}", where=str(path))
            tiles = sorted((_tile(line) for line in reader), key=lambda tile: tile.start)
    except (OSError, ValueError, csv.Error) as error:
        raise SettingsError(f"cannot be read: {reason_of(error)}", where=str(path)) from error
    for tile, after in itertools.pairwise(tiles):
        if tile.stop > after.start:
            raise SettingsError(f"{tile.path} and {after.path} overlap", where=str(path))
    for tile in tiles:
        _check_size(folder, tile)
    return tuple(tiles)


def _check_size(folder: Path, tile: Tile) -> None:
    path = folder / tile.path
    if not path.is_file():
        raise SettingsError("is missing", where=str(path))
    size = path.stat().st_size
    if size != tile.size:
        problem = f"was changed after the import, from {tile.size} to {size} bytes; {IMPORT}"
        raise SettingsError(problem, where=str(path))


def reason_of(error: Exception) -> str:
    """Return why a file cannot be read, without the places that an error of the system names."""
    if isinstance(error, UnicodeDecodeError):
        return "no UTF-8 text"
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else " ".join(str(error).split())


def _tile(line: Mapping[str, str | None]) -> Tile:
    values = [line[name] or "" for name in _TILE_COLUMNS]
    *numbers, digest = values
    if not all(number.isascii() and number.isdigit() for number in numbers):
        raise ValueError(f"this is no tile: {','.join(values)}")
    order, pixel, size = map(int, numbers)
    tile = Tile(order, pixel, size, digest)
    if not 0 <= tile.order <= ORDER or not 0 <= tile.pixel < BASE_PIXELS << 2 * tile.order:
        raise ValueError(f"there is no pixel {tile.pixel} of order {tile.order}")
    return tile


def write_schema(folder: Path, schema: pa.Schema) -> None:
    """Write the columns."""
    import pyarrow.parquet as pq

    pq.write_metadata(schema, folder / SCHEMA)


def read_schema(folder: Path) -> pa.Schema:
    """Read the columns.

    Raises
    ------
    SettingsError
        If they cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / SCHEMA
    try:
        return pq.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        raise SettingsError(f"cannot be read: {reason_of(error)}", where=str(path)) from error
