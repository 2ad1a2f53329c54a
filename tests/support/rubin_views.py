"""What a channel sees of synthetic LSST alerts, as filters get it: plausible values, none of them real."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from skymesh.model.alert import Source
from skymesh.surveys.lsst import Lsst
from skymesh.surveys.lsst.fields import HISTORY
from skymesh.units import AlertView
from skymesh_t0.verdicts import view_of

MJD = 61000.25
"""The default time of a triggering source, MJD (TAI)."""

PUBLIC = frozenset({"lsst_public"})
_COLUMNS = HISTORY["prvDiaSources"]


def dia_source(*, mjd_tai: float = MJD - 3, **values: Any) -> dict[str, Any]:
    """Return a diaSource: every field of the schema, null where nothing is said of it."""
    number = round((mjd_tai - 60000) * 1e6)
    given: dict[str, Any] = {
        "diaSourceId": number, "visit": number, "detector": 90, "midpointMjdTai": mjd_tai, "ra": 150.1,
        "dec": 2.2, "psfFlux": 1500.0, "psfFluxErr": 100.0, "snr": 15.0, "reliability": 0.875, "band": "r",
        "isNegative": False, "pixelFlags": False, "timeProcessedMjdTai": mjd_tai + 0.001,
    }  # fmt: skip
    return dict.fromkeys(_COLUMNS) | given | values


def rubin_view(
    *, history: Sequence[dict[str, Any]] = (), dia_object_id: int | None = 7, **values: Any
) -> AlertView:
    """Return the view of an alert; `values` are those of the triggering source."""
    trigger = dia_source(**{"mjd_tai": MJD} | values)
    record = {
        "diaSource": trigger | {"diaObjectId": dia_object_id, "ssObjectId": None},
        "prvDiaSources": [tuple(map(source.get, _COLUMNS)) for source in history],
    }
    found = view_of(Lsst().shape(record, Source("synthetic", 0)).alert, PUBLIC)
    assert found is not None
    return found
