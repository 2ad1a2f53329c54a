"""The columns of catalogues: one normal form per kind of value, and their digests.

Whatever the source, numbers are float64 or int64 (-0 is 0, NaN is absent), flags are bool, texts are
NFC without blanks around them, and an empty text is absent. So the same rows have the same digest
whether they came as CSV, FITS or Parquet, and in whatever order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skymesh.model.ids import Digest, digest_of, digest_sequence

if TYPE_CHECKING:
    import pyarrow as pa

INDEX = "_healpix_29"


def normal_type(kind: pa.DataType) -> pa.DataType | None:
    """Return the normal type of a column; None for lists and whatever else is no single value."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return normal_type(kind.value_type)
    if pa.types.is_boolean(kind):
        return pa.bool_()
    if pa.types.is_integer(kind):
        return pa.int64()
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind):
        return pa.float64()
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return pa.string() if is_text or pa.types.is_temporal(kind) else None


def normal_column(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return a column in the normal form of a type.

    Raises
    ------
    pyarrow.ArrowInvalid
        If it holds an integer that needs more than 64 bits, sign included.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = column.cast(kind)
    if kind == pa.float64():
        return pa.array(plain.to_numpy(zero_copy_only=False) + 0.0, from_pandas=True)
    if kind == pa.string():
        text = pc.utf8_trim_whitespace(pc.utf8_normalize(plain, form="NFC"))
        return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
    return plain


def absent_as_nan(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column of integers or flags with absent values as numbers, for only these can be absent.

    Raises
    ------
    pyarrow.ArrowInvalid
        If an integer is too big to be such a number.
    """
    import pyarrow as pa

    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int64())
    return column.cast(pa.float64())


def in_normal_order(table: pa.Table) -> pa.Table:
    """Return a table sorted by index, and by all other columns where that is equal."""
    others = sorted(name for name in table.column_names if name != INDEX)
    return table.sort_by([(name, "ascending") for name in (INDEX, *others)])


def digest_of_columns(
    types: Mapping[str, pa.DataType], position: Sequence[str], read: Callable[[str], Iterable[pa.Array]]
) -> Digest:
    """Return the digest of all rows in normal order, however they are cut into pieces.

    Parameters
    ----------
    types
        The columns, in any order, and the types of their values.
    position
        Which of them hold right ascension and declination.
    read
        Returns the pieces of a column.
    """
    columns = {name: [str(kind), *_digests(kind, read, name)] for name, kind in types.items()}
    return digest_of("digest", {"position": position, "columns": columns})


def _digests(kind: pa.DataType, read: Callable[[str], Iterable[pa.Array]], name: str) -> list[Digest]:
    parts = [_lengths, _texts] if str(kind) == "string" else [_numbers]
    return [digest_sequence("digest", map(part, read(name))) for part in parts]


def _numbers(column: pa.Array) -> bytes:
    """Return numbers as canonical bytes: 64 bits, big-endian, one NaN for all that is absent."""
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), np.nan, values)
    return values.astype(np.uint8 if values.dtype == np.bool_ else values.dtype.newbyteorder(">")).tobytes()


def _lengths(column: pa.Array) -> bytes:
    """Return the lengths of texts, -1 for one that is absent."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lengths: NDArray[np.int64] = pc.binary_length(column).cast(pa.int64()).fill_null(-1).to_numpy()
    return lengths.astype(">i8").tobytes()


def _texts(column: pa.Array) -> bytes:
    """Return the bytes of texts, one after the other."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = column.drop_null().cast(pa.large_binary())
    joined = pc.binary_join(
        pa.LargeListArray.from_arrays([0, len(texts)], texts), pa.scalar(b"", pa.large_binary())
    )
    return bytes(joined[0].as_py())
