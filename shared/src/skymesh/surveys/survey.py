"""What the mesh asks of a survey; everything that knows one survey lies in its own folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from skymesh.codecs.avro import Tables
from skymesh.codecs.confluent import SchemaSource
from skymesh.model.alert import Alert, Source
from skymesh.model.point import DataPoint

Floats = NDArray[np.float64]


class Shaped(NamedTuple):
    """A packet in the mesh's terms.

    Attributes
    ----------
    alert
        The alert; its `cutouts` is the id of the field below.
    cutouts
        The packet's image stamps as one block of bytes, None without.
    """

    alert: Alert
    cutouts: bytes | None


class Photometry(NamedTuple):
    """Photometry of points, one row each, in the order they were given.

    Attributes
    ----------
    flux_njy, flux_err_njy
        Difference flux and its error, AB, nJy; positive = brighter than the template; NaN where the
        point has none that can be trusted.
    limit_njy
        5-sigma depth, nJy; NaN where unknown.
    reference_njy
        Flux of the template's nearest source, nJy; NaN where unknown.
    band
        Names such as ``ztfg``.
    exposure_key
        Rows of equal key are one look at the sky in one band.
    """

    flux_njy: Floats
    flux_err_njy: Floats
    limit_njy: Floats
    reference_njy: Floats
    band: list[str]
    exposure_key: list[Any]


class Survey(Protocol):
    """One survey: its packets, its measurements, its access labels."""

    name: str
    """Prefix of the survey's stocks and points."""

    labels: frozenset[str]
    """All access labels that its points may carry."""

    time_of: str
    """Which moment of the exposure `DataPoint.mjd_tai` is: ``start`` or ``middle``."""

    def tables(self, schema: Any) -> Tables | None:
        """Return which history lists to read as tuples, or None if the schema is not the survey's."""

    def shape(self, record: dict[str, Any], source: Source) -> Shaped:
        """Turn a decoded packet into an alert.

        Raises
        ------
        PacketError
            If the packet cannot be used.
        """

    def fields(self, kind: str) -> tuple[str, ...]:
        """Return the names of a kind's raw values, in their order."""

    def photometry(self, points: Sequence[DataPoint]) -> Photometry:
        """Turn points of the survey into fluxes."""

    def positions_deg(self, points: Sequence[DataPoint]) -> tuple[Floats, Floats]:
        """Return right ascension and declination (ICRS, degrees); NaN for points without."""


@runtime_checkable
class FramedSurvey(Survey, Protocol):
    """A survey that sends packets without their schema, as messages that name it by an id."""

    def schemas_in(self, folder: Path) -> SchemaSource:
        """Return the schemas in a folder.

        Raises
        ------
        SettingsError
            If there is no such folder.
        """

    def packaged_schemas(self) -> SchemaSource | None:
        """Return the schemas of a package of the survey; None if none is installed."""
