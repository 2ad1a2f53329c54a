"""Distributions that exist only for one test: a module with entry points, as any user would install it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path


def write_distribution(
    folder: Path, name: str, source: str, entry_points: Mapping[str, Mapping[str, str]], version: str = "1.0"
) -> None:
    """Write module and metadata of a distribution into a folder that is, or will be, on ``sys.path``.

    Parameters
    ----------
    folder
        Where.
    name
        Name of the distribution and of its only module.
    source
        The module's text.
    entry_points
        group → name → attribute of the module.
    version
        The distribution's version.
    """
    (folder / f"{name}.py").write_text(textwrap.dedent(source))
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = []
    for group, points in entry_points.items():
        lines += [f"[{group}]", *(f"{point} = {name}:{attribute}" for point, attribute in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
