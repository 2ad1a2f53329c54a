"""Units of a module of the tests, announced as an installed distribution would announce them."""

from __future__ import annotations

import importlib

from skymesh.units import Unit, installed


def forget_units():
    """Have the installed units be looked for anew, here where a process does so once."""
    for cached in (installed.units, installed.load, installed.code_digest):
        cached.cache_clear()


def announce_units(folder, module):
    """Write the metadata of a distribution whose units are those of a module; return the folder."""
    found = vars(importlib.import_module(module)).values()
    own = [item for item in found if isinstance(item, type) and item.__module__ == module]
    lines = [f"{unit.__name__} = {module}:{unit.__name__}" for unit in own if issubclass(unit, Unit)]
    name = module.rpartition(".")[2]
    metadata = folder / f"{name}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("\n".join(["[skymesh.units]", *lines, ""]))
    return folder
