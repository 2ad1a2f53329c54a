"""Files of a run that appear whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from skymesh.errors import OutletUnavailableError
from skymesh.model.ids import DIGEST_SIZE, Digest


class Written(NamedTuple):
    """What was written: the BLAKE2b-128 of the bytes, and how many there are."""

    digest: Digest
    size_bytes: int


def write_whole(target: Path, pieces: Iterable[bytes]) -> Written:
    """Write a file beside its place and move it there.

    Raises
    ------
    OutletUnavailableError
        If the folder cannot be written.
    """
    part = target.with_name(f".{target.name}.part")
    digest, size = hashlib.blake2b(digest_size=DIGEST_SIZE), 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as stream:
            for piece in pieces:
                digest.update(piece)
                size += len(piece)
                stream.write(piece)
        part.replace(target)
    except OSError as error:
        raise OutletUnavailableError(f"cannot be written: {error.strerror}", where=str(target)) from None
    finally:
        with suppress(OSError):
            part.unlink()
    return Written(Digest(digest.digest()), size)
