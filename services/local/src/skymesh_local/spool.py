"""The views of a run on disk, so that many objects take no more memory than few."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from types import TracebackType
from typing import Any, Self

import msgspec
import numpy as np

from skymesh.errors import StoreUnavailableError
from skymesh.units.unit import ObjectView

_SIZE_BYTES = 4


class SpooledViews:
    """Views in a temporary file, to be gone through as often as one likes; one iteration at a time."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # closed when the spool is
        self._ends: dict[str, tuple[int, int]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    async def fill(self, views: AsyncIterator[ObjectView]) -> None:
        """Take in views that are sorted by channel.

        Raises
        ------
        StoreUnavailableError
            If the disk is full.
        """
        try:
            async for view in views:
                encoded = _encode(view)
                start, _ = self._ends.get(view.channel, (self._file.tell(), 0))
                self._file.write(len(encoded).to_bytes(_SIZE_BYTES, "big") + encoded)
                self._ends[view.channel] = (start, self._file.tell())
            self._file.flush()
        except OSError as error:
            raise StoreUnavailableError(
                f"cannot be written: {error.strerror}", where="temporary file"
            ) from None

    def of(self, channels: Iterable[str]) -> ChannelViews:
        """Return the views of some channels."""
        return ChannelViews(self, tuple(sorted(channels)))

    def of_channel(self, channel: str) -> Iterator[ObjectView]:
        """Yield the views of one channel."""
        start, end = self._ends.get(channel, (0, 0))
        self._file.seek(start)
        while self._file.tell() < end:
            size = int.from_bytes(self._file.read(_SIZE_BYTES), "big")
            yield _decode(self._file.read(size))


class ChannelViews:
    """The spooled views of some channels, sorted by channel and stock; may be gone through repeatedly."""

    def __init__(self, spool: SpooledViews, channels: tuple[str, ...]) -> None:
        self._spool = spool
        self._channels = channels

    def __iter__(self) -> Iterator[ObjectView]:
        for channel in self._channels:
            yield from self._spool.of_channel(channel)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"a view holds no {type(value).__name__}")


def _array(kind: Any, value: Any) -> Any:
    """Return a list as the array that the field's hint, ``NDArray[…]``, asks for."""
    _, dtype = kind.__args__
    return np.array(value, dtype=dtype.__args__[0])


_encode = msgspec.msgpack.Encoder(enc_hook=_plain).encode
_decode = msgspec.msgpack.Decoder(ObjectView, dec_hook=_array).decode
