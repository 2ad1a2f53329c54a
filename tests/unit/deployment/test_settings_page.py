"""The page of settings has all of them, each with its default."""

from __future__ import annotations

import importlib
import pkgutil
import re

import pytest
from pydantic_settings import BaseSettings

import skymesh.settings
from skymesh.settings.remote import RemoteSettings
from skymesh.settings.retention import KEPT
from skymesh_ingest.schemas import REGISTRY_VARIABLE, folder_variable

TIERS = ("ingest", "t0", "t1", "t2", "t3", "deliver", "provenance")
# Not fields of a class: one for each survey, or one that services find by itself.
OTHERS = {
    REGISTRY_VARIABLE: "–",
    folder_variable("lsst"): "–",
    **dict.fromkeys(("SKYMESH_ZTF_KAFKA", "SKYMESH_ZTF_TOPICS", "SKYMESH_ZTF_GROUP"), "–"),
}
# What must be 0 is no setting.
FIXED = {f"SKYMESH_RETENTION_{name.upper()}_DAYS" for name in KEPT}


def subclasses(kind):
    return {kind}.union(*map(subclasses, kind.__subclasses__()))


def shown(field):
    """Return a default as the environment would say it."""
    if field.is_required():
        return "required"
    match field.default:
        case None | "":
            return "–"
        case bool(value):
            text = str(value).lower()
        case float(value):
            text = f"{value:g}"
        case frozenset() as value:
            text = ",".join(sorted(value))
        case value:
            text = str(value)
    return f"`{text}`"


@pytest.fixture(scope="module")
def variables():
    """Every variable of every class of settings, with its default."""
    for module in pkgutil.iter_modules(skymesh.settings.__path__, "skymesh.settings."):
        importlib.import_module(module.name)
    for tier in TIERS:
        importlib.import_module(f"skymesh_{tier}.settings")
    ours = {kind for kind in subclasses(BaseSettings) if kind.__module__.startswith("skymesh")}
    return OTHERS | {
        field.validation_alias or f"{kind.model_config['env_prefix']}{name}".upper(): shown(field)
        for kind in ours - {RemoteSettings}
        for name, field in kind.model_fields.items()
    }


def test_every_setting_is_on_the_page_with_its_default(pytestconfig, variables):
    page = (pytestconfig.rootpath / "services" / "README.md").read_text()
    rows = re.findall(r"^\| `(SKYMESH_\w+)` \| (\S+) \|", page, re.MULTILINE)
    assert len(rows) == len(dict(rows))
    assert dict(rows) == {name: default for name, default in variables.items() if name not in FIXED}
