"""The source that a unit consists of, found by reading what its modules import."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import resolve_name
from pathlib import Path

from skymesh.units.unit import Unit

# What base classes may come from that is no science.
_FOREIGN = frozenset({"builtins", "abc", "typing", "pydantic"})
_CONTRACT = "skymesh.units"


def sources_of(unit: type[Unit]) -> dict[str, bytes]:
    """Return the source of the modules that a unit consists of, by name.

    These are its own module, those of its base classes outside of the contract of units, and what they
    import, wherever they do so, from the package that the unit's module stands in; for a unit that is a
    package, that is the one around it. A unit in a module of no package is that module.
    """
    package = unit.__module__.rpartition(".")[0] or unit.__module__
    due = [base.__module__ for base in unit.__mro__ if base.__module__.partition(".")[0] not in _FOREIGN]
    due = [module for module in due if not _is_within(module, _CONTRACT)]
    found: dict[str, bytes] = {}
    while due:
        module = due.pop()
        if module not in found:
            found[module] = _source(module)
            due += _imported_by(module, found[module], package)
    return found


def _is_within(module: str, package: str) -> bool:
    return module == package or (bool(package) and module.startswith(f"{package}."))


def _package_of(module: str) -> str:
    """Return the package that a module lies in, or is."""
    spec = _spec(module)
    is_package = spec is not None and spec.submodule_search_locations is not None
    return module if is_package else module.rpartition(".")[0]


def _imported_by(module: str, source: bytes, package: str) -> Iterator[str]:
    """Yield the modules of a package that a module's source imports, anywhere in it."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # compiled code, or text that is not reached
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if _is_within(alias.name, package))
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(node, module)
            if _is_within(origin, package):
                names = (f"{origin}.{alias.name}" for alias in node.names)
                yield from (name if _spec(name) is not None else origin for name in names)


def _origin(node: ast.ImportFrom, module: str) -> str:
    try:
        return resolve_name("." * node.level + (node.module or ""), _package_of(module))
    except ImportError:  # more dots than packages
        return ""


def _spec(module: str) -> ModuleSpec | None:
    """Return where a module is to be found, without importing it; None if it is none."""
    known = sys.modules.get(module)
    if known is not None:
        return known.__spec__
    parent = module.rpartition(".")[0]
    above = _spec(parent) if parent else None
    if above is None or above.submodule_search_locations is None:
        return None
    return PathFinder.find_spec(module, list(above.submodule_search_locations))


def _source(module: str) -> bytes:
    spec = _spec(module)
    if spec is None or not spec.has_location or spec.origin is None:
        return b""
    return Path(spec.origin).read_bytes()
