"""The Legacy Survey of Space and Time of the Rubin Observatory: alert packets of schema 7.0 to 11.1.

Packets of ELAsTiCC, the simulated LSST stream before these schemas, are read too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from skymesh.codecs.avro import Tables
from skymesh.codecs.confluent import SchemaSource
from skymesh.model.alert import Source
from skymesh.model.point import DataPoint
from skymesh.surveys.lsst import fields, photometry, rights, schemas, shaper
from skymesh.surveys.survey import Floats, Photometry, Shaped


class Lsst:
    """LSST as the mesh asks for it; see `skymesh.surveys.survey.FramedSurvey`."""

    name = "lsst"
    labels = rights.LABELS
    time_of = "middle"

    def tables(self, schema: Any) -> Tables | None:
        """Return the history lists of an LSST packet; None for schemas of other surveys."""
        return fields.history_tables(schema)

    def schemas_in(self, folder: Path) -> SchemaSource:
        """Return the schemas of a folder laid out like the survey's package."""
        return schemas.SchemaFolder(folder)

    def packaged_schemas(self) -> SchemaSource | None:
        """Return the schemas of the survey's own package; None if it is not installed."""
        return schemas.packaged()

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


__all__ = ["Lsst"]
