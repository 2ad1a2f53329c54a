"""LSST's schemas by their id in Rubin's registry: 100 x major + minor.

They are looked up in a folder laid out like the survey's own package, ``<major>/<minor>/
lsst.v<major>_<minor>.alert.avsc`` with the records that it names beside it. That package, the optional
``lsst-alert-packet``, is such a folder too; only its files are read, none of its code is run.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import fastavro.repository.base
import fastavro.schema

from skymesh.errors import SettingsError

PACKAGE: Final = "lsst.alert.packet"
_MINORS: Final = 100
_NO_SCHEMA: Final = (
    OSError, ValueError, KeyError, TypeError, fastavro.schema.SchemaParseException,
    fastavro.schema.UnknownType, fastavro.repository.base.SchemaRepositoryError,
)  # fmt: skip


class SchemaFolder:
    """A folder of schemas.

    Parameters
    ----------
    folder
        Where it is.

    Raises
    ------
    SettingsError
        If there is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise SettingsError("no folder of LSST's schemas", where=str(folder))
        self._folder = folder
        self.name = f"folder {folder}"

    def find(self, schema_id: int) -> Any | None:
        """Return the alert schema of an id, with all that it names; None if it is not in the folder.

        Raises
        ------
        SettingsError
            If the file is there and is no schema, or one that it names is missing.
        """
        major, minor = divmod(schema_id, _MINORS)
        path = self._folder / f"{major}" / f"{minor}" / f"lsst.v{major}_{minor}.alert.avsc"
        if not path.is_file():
            return None
        try:
            return fastavro.schema.load_schema(str(path))
        except _NO_SCHEMA as error:
            problem = f"no valid Avro schema ({type(error).__name__}: {error})"
            raise SettingsError(problem, where=str(path)) from error


def packaged() -> SchemaFolder | None:
    """Return the schemas of the survey's own package; None if it is not installed."""
    try:
        spec = find_spec(PACKAGE)
    except ModuleNotFoundError:
        return None
    places = [] if spec is None else spec.submodule_search_locations or []
    folders = [Path(place) / "schema" for place in places]
    return next((SchemaFolder(folder) for folder in folders if folder.is_dir()), None)
