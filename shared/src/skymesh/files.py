"""Files of a run that appear whole or not at all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from skymesh.errors import OutletUnavailableError
from skymesh.model.ids import DIGEST_SIZE, Digest

_MODE = 0o666


class Written(NamedTuple):
    """What was written: the BLAKE2b-128 of the bytes, and how many there are."""

    digest: Digest
    size_bytes: int


def write_whole(target: Path, pieces: Iterable[bytes]) -> Written:
    """Write a file beside its place and move it there; once that is done, it outlasts a loss of power.

    Raises
    ------
    OutletUnavailableError
        If the folder cannot be written.
    """
    # One name for all attempts, so that a killed one leaves nothing behind. Another one may be at it with the
    # same bytes: so nothing is cut off before all is written.
    part = target.with_name(f".{target.name}.part")
    digest, size = hashlib.blake2b(digest_size=DIGEST_SIZE), 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT, _MODE), "wb") as stream:
            for piece in pieces:
                digest.update(piece)
                size += len(piece)
                stream.write(piece)
            stream.truncate()
            os.fsync(stream.fileno())
        part.replace(target)
        # Names are of the folder, and the folder's own of the one above.
        _keep(target.parent)
        _keep(target.parent.parent)
    except OSError as error:
        raise OutletUnavailableError(f"cannot be written: {error.strerror}", where=str(target)) from None
    finally:
        with suppress(OSError):
            part.unlink()
    return Written(Digest(digest.digest()), size)


def _keep(folder: Path) -> None:
    """Have the disk keep the names in a folder."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
