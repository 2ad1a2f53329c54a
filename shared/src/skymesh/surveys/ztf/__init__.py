"""The Zwicky Transient Facility: alert packets of schema 3.0 to 4.02 and before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from skymesh.codecs.avro import Tables
from skymesh.model.alert import Source
from skymesh.model.point import DataPoint
from skymesh.surveys.survey import Floats, Photometry, Shaped
from skymesh.surveys.ztf import fields, photometry, rights, shaper


class Ztf:
    """ZTF as the mesh asks for it; see `skymesh.surveys.survey.Survey`."""

    name = "ztf"
    labels = rights.LABELS
    time_of = "start"

    def tables(self, schema: Any) -> Tables | None:
        """Return the history lists of a ZTF packet; None for schemas of other surveys."""
        return fields.history_tables(schema)

    def shape(self, record: dict[str, Any], source: Source) -> Shaped:
        """Turn a decoded packet into an alert."""
        return shaper.shape(record, source)

    def fields(self, kind: str) -> tuple[str, ...]:
        """Return the names of a kind's raw values."""
        return fields.FIELDS[kind]

    def photometry(self, points: Sequence[DataPoint]) -> Photometry:
        """Turn points into fluxes."""
        return photometry.photometry(points)

    def positions_deg(self, points: Sequence[DataPoint]) -> tuple[Floats, Floats]:
        """Return right ascension and declination of detections."""
        return photometry.positions_deg(points)


__all__ = ["Ztf"]
