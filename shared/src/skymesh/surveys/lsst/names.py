"""LSST's objects: what an alert is about.

Source of the ids: the public schemas; a source is associated with a DIA object or with a solar-system
object. The survey writes null or 0 where there is none.
"""

from __future__ import annotations

from typing import Any


def stock_of(dia_source: dict[str, Any]) -> str:
    """Return the stock of a diaSource: its DIA object, else its solar-system object, else itself alone.

    The packet's diaObject says the first again, but a packet may come without it, and copies of
    packets are known whose brokers spoilt that id in a double.
    """
    if _is_id(dia_source.get("diaObjectId")):
        return f"lsst:{dia_source['diaObjectId']}"
    if _is_id(dia_source.get("ssObjectId")):
        return f"sso:{dia_source['ssObjectId']}"
    return f"src:{dia_source['diaSourceId']}"


def designation_of(record: dict[str, Any]) -> str | None:
    """Return the Minor Planet Center's designation of the packet's solar-system object; None without."""
    for part, name in (
        ("ssSource", "designation"),
        ("mpc_orbits", "designation"),
        ("MPCORB", "mpcDesignation"),
    ):
        designation = (record.get(part) or {}).get(name)
        if designation:
            return str(designation)
    return None


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and value > 0
