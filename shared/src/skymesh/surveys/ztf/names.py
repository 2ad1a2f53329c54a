"""ZTF's object names, and the integer ids that AMPEL derives from them.

``ZTF`` + two digits of the year + seven letters. AMPEL's stock id is the base-26 number of the
letters, shifted by four bits, with the years since 2017 below (years 17 to 32).
Source: facts of Ampel-ZTF's id mapper.
"""

from __future__ import annotations

import re
from typing import Final

_NAME: Final = re.compile(r"ZTF(\d\d)([a-z]{7})")
_FIRST_YEAR, _LAST_YEAR = 17, 32
_YEAR_BITS: Final = 4


def stock_of(object_id: str) -> str:
    """Return the stock of an object name."""
    return f"ztf:{object_id}"


def ampel_id(object_id: str) -> int | None:
    """Return AMPEL's integer id; None for names it does not cover."""
    match = _NAME.fullmatch(object_id)
    if match is None or not _FIRST_YEAR <= int(match[1]) <= _LAST_YEAR:
        return None
    number = 0
    for letter in match[2]:
        number = number * 26 + ord(letter) - ord("a")
    return number << _YEAR_BITS | (int(match[1]) - _FIRST_YEAR)


def object_id_of(ampel: int) -> str:
    """Return the object name of AMPEL's integer id."""
    number, letters = ampel >> _YEAR_BITS, ""
    for _ in range(7):
        number, digit = divmod(number, 26)
        letters = chr(ord("a") + digit) + letters
    return f"ZTF{(ampel & 15) + _FIRST_YEAR}{letters}"
