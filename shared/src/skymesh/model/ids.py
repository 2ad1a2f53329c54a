"""Identity is content: canonical bytes, and digests over them.

An id is the BLAKE2b-128 digest of canonical bytes, separated by kind through BLAKE2b's
personalisation ``<kind>/<encoding version>``. In memory and in the store an id is its 16 bytes; in
text it is ``<kind>:<32 hex digits>``.

The canonical bytes are MessagePack, which has one form for every value once these rules hold:

- floats are 64-bit IEEE-754 big-endian, with -0 written as 0; NaN is absent (nil);
- integers stay integers, in MessagePack's shortest form, and never pass through a float;
- text is Unicode NFC; the keys of maps are sorted text;
- sets are sorted lists.
"""

from __future__ import annotations

import functools
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import Any, Final, NewType

import msgspec

from skymesh.errors import NotFoundError

Digest = NewType("Digest", bytes)
"""The 16 bytes of an id."""

ENCODING_VERSION: Final = 1
"""The version of the canonical encoding; a run keeps the version it began with."""

DIGEST_SIZE: Final = 16

KINDS: Final = frozenset(
    {"alert", "point", "state", "config", "job", "run", "result", "reaction", "journal", "cutout",
     "catalogue", "letter", "log", "record", "code", "digest", "blob"}
)  # fmt: skip
"""What may have an id. The first twelve are met on the command line, the others only inside ids."""

_PERSONS: Final = {kind: f"{kind}/{ENCODING_VERSION}".encode() for kind in KINDS}
_BEGUN: Final = {kind: blake2b(digest_size=DIGEST_SIZE, person=person) for kind, person in _PERSONS.items()}
_encode = msgspec.msgpack.Encoder(order="sorted").encode
# What MessagePack writes for floats that have another canonical form: NaN and infinities, -0.
_find_special: Final = re.compile(rb"\xcb(?:[\x7f\xff]|\x80\x00{7})").search


def canonical(value: Any) -> bytes:
    """Return the canonical bytes of a value made of None, bool, int, float, text, bytes, lists and maps.

    Raises
    ------
    TypeError
        If the value holds anything else, or a map has keys that are no text.
    """
    return _encode(_normal(value))


def canonical_row(values: tuple[Any, ...]) -> bytes:
    """Return the canonical bytes of a row whose texts are known to be NFC, in the quickest way.

    The bytes are those of `canonical`; only a row that could hold a NaN, an infinity or a -0 is
    looked at value by value.
    """
    row = _encode(values)
    return canonical(values) if _find_special(row) else row


def _normal(value: Any) -> Any:
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return float(value) + 0.0
    if value is None or isinstance(value, bool | int | bytes):
        return value
    if isinstance(value, str):
        return value if value.isascii() else unicodedata.normalize("NFC", value)
    if isinstance(value, Mapping):
        return {_key(key): _normal(value[key]) for key in sorted(value, key=_key)}
    if isinstance(value, set | frozenset):
        return sorted(_normal(item) for item in value)
    if isinstance(value, list | tuple):
        return [_normal(item) for item in value]
    raise TypeError(f"no canonical form for {type(value).__name__}")


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a map's keys are text, not {type(key).__name__}")
    return unicodedata.normalize("NFC", key)


def digest_bytes(kind: str, data: bytes) -> Digest:
    """Return the id of canonical bytes (or, for cutouts, of the bytes themselves)."""
    return digester(kind)(data)


@functools.cache
def digester(kind: str) -> Callable[[bytes], Digest]:
    """Return the function that makes ids of one kind, for those who make many."""
    begin = _BEGUN[kind].copy

    def digest(data: bytes) -> Digest:
        state = begin()
        state.update(data)
        return state.digest()  # type: ignore[return-value]  # a NewType of bytes; this runs for every point

    return digest


def digest_of(kind: str, value: Any) -> Digest:
    """Return the id of a value: the digest of its canonical bytes."""
    return digest_bytes(kind, canonical(value))


def digest_sequence(kind: str, items: Iterable[bytes]) -> Digest:
    """Return the id of a long sequence of byte strings of one fixed length, without holding it."""
    state = _BEGUN[kind].copy()
    for item in items:
        state.update(item)
    return Digest(state.digest())


def text_id(kind: str, digest: bytes) -> str:
    """Return ``<kind>:<32 hex digits>``."""
    return f"{kind}:{digest.hex()}"


def parse_id(text: str) -> tuple[str, Digest]:
    """Split an id in text into its kind and digest.

    Raises
    ------
    NotFoundError
        If the text is no id.
    """
    kind, _, digits = text.partition(":")
    try:
        digest = bytes.fromhex(digits)
    except ValueError:
        digest = b""
    if kind not in KINDS or len(digest) != DIGEST_SIZE or len(digits) != 2 * DIGEST_SIZE:
        raise NotFoundError("not an id: expected <kind>:<32 hex digits>, like state:00ff…", where=text)
    return kind, Digest(digest)
