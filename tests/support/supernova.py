"""SN 2021rhu (ZTF21abiuvdk), a type Ia supernova at z = 0.0035: 34 real alerts over 22 nights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from skymesh.model.alert import Alert, Arrival
from skymesh.model.position import Position
from skymesh_t0.registration import StockRegister
from support.packets import ingested

STOCK = "ztf:ZTF21abiuvdk"


def alerts_of(shared_data: Path) -> list[Alert]:
    """Return its alerts in the canonical order."""
    paths = sorted((shared_data / "ztf" / "avro" / "pgb_ZTF21abiuvdk").glob("*.avro"))
    found = [alert for path in paths for alert in ingested(path.read_bytes(), path.name)]
    return sorted(found, key=lambda alert: (alert.trigger.mjd_tai, alert.id, alert.record))


def register(alerts: Sequence[Alert]) -> list[Arrival]:
    """Return what each alert adds to what was known before."""
    stock = StockRegister()
    return [stock.register(bytes(16), Position(0, 0, offset), alert) for offset, alert in enumerate(alerts)]
