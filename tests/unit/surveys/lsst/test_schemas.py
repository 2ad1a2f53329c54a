"""Where LSST's schemas are found: a folder, or the survey's own package if somebody installed it."""

from __future__ import annotations

import json
import sys

import pytest

from skymesh.errors import SettingsError
from skymesh.surveys.lsst import Lsst
from skymesh.surveys.lsst.schemas import SchemaFolder

SOURCE = {"type": "record", "name": "lsst.v10_0.diaSource", "fields": [{"name": "ra", "type": "double"}]}
ALERT = {
    "type": "record",
    "name": "alert",
    "namespace": "lsst.v10_0",
    "fields": [{"name": "diaSource", "type": "lsst.v10_0.diaSource"}],
}


def write(folder, **schemas):
    place = folder / "10" / "0"
    place.mkdir(parents=True)
    for name, schema in schemas.items():
        text = schema if isinstance(schema, str) else json.dumps(schema)
        (place / f"lsst.v10_0.{name}.avsc").write_text(text)
    return folder


def test_an_id_is_100_times_major_plus_minor(tmp_path):
    found = SchemaFolder(write(tmp_path, alert=ALERT, diaSource=SOURCE)).find(1000)
    assert found["name"] == "lsst.v10_0.alert"
    assert found["fields"][0]["type"]["fields"][0]["name"] == "ra"


@pytest.mark.parametrize("schema_id", [0, 10, 100, 900, 999, 1001, 2**32 - 1])
def test_another_id_is_not_there(tmp_path, schema_id):
    assert SchemaFolder(write(tmp_path, alert=ALERT, diaSource=SOURCE)).find(schema_id) is None


@pytest.mark.parametrize(
    "schemas",
    [
        {"alert": ALERT},
        {"alert": "no json", "diaSource": SOURCE},
        {"alert": {"type": "nothing"}, "diaSource": SOURCE},
        {"alert": ALERT, "diaSource": "{}"},
        {"alert": "", "diaSource": SOURCE},
    ],
    ids=["a record is missing", "no JSON", "no type", "no record", "empty"],
)
def test_a_file_that_is_no_schema_is_said_in_one_line(tmp_path, schemas):
    with pytest.raises(SettingsError, match=r"lsst\.v10_0\.alert\.avsc: no valid Avro schema"):
        SchemaFolder(write(tmp_path, **schemas)).find(1000)


def test_a_folder_that_is_not_there_is_said_at_once(tmp_path):
    with pytest.raises(SettingsError, match="nowhere: no folder"):
        Lsst().schemas_in(tmp_path / "nowhere")


@pytest.fixture
def _no_trace():
    """What the survey's package lies in is forgotten again: other tests would find it there."""
    yield
    for name in ("lsst", "lsst.alert"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("_no_trace")
def test_the_files_of_the_surveys_package_are_read_without_running_its_code(tmp_path, monkeypatch):
    assert Lsst().packaged_schemas() is None, "the optional package is installed"
    package = tmp_path / "lsst" / "alert" / "packet"
    write(package / "schema", alert=ALERT, diaSource=SOURCE)
    (package / "__init__.py").write_text("raise RuntimeError('its code runs')\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert Lsst().packaged_schemas().find(1000)["name"] == "lsst.v10_0.alert"
    assert Lsst().packaged_schemas().find(1100) is None
