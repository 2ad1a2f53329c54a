"""What there is to know of a unit: parameters, inputs, output, and where its code comes from."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, NamedTuple, get_type_hints

from skymesh.units import installed
from skymesh.units.filter import Filter
from skymesh.units.reactor_wiring import reactor_hints
from skymesh.units.unit import Analyser, Combiner, Reactor, Result, Summary, Tabulator, Unit
from skymesh.units.wiring import Hint, filter_hints, signature_of

_KINDS = (Filter, Combiner, Tabulator, Analyser, Reactor, Summary)
_SECTION = "Attributes"
_INDENT = "    "
# How a docstring begins that leaves a meaning to that of a base class.
_ELSEWHERE = "See `"


class Entry(NamedTuple):
    """A parameter, an input or a field of an output: its name, what it is, and what it means."""

    name: str
    what: str
    meaning: str


class UnitDocument(NamedTuple):
    """A unit, described.

    Attributes
    ----------
    name, version, kind
        Which unit, and what kind: ``Filter``, ``Analyser`` …
    text
        Its docstring without the sections of fields.
    parameters, inputs, output
        What a job sets, what it is given, and the fields of what it makes.
    makes
        Name of the result type; empty for units that make none.
    source
        Distribution, module and digest of the code.
    """

    name: str
    version: str
    kind: str
    text: str
    parameters: tuple[Entry, ...]
    inputs: tuple[Entry, ...]
    makes: str
    output: tuple[Entry, ...]
    source: str


def describe(name: str) -> UnitDocument:
    """Describe an installed unit.

    Raises
    ------
    SettingsError
        If there is none, or its hints cannot be read.
    """
    unit = installed.load(name)
    makes = signature_of(unit).makes if issubclass(unit, Analyser) else None
    return UnitDocument(
        name=name,
        version=unit.version,
        kind=next((kind.__name__ for kind in _KINDS if issubclass(unit, kind)), "Unit"),
        text=_text(unit),
        parameters=tuple(_parameters(unit)),
        inputs=tuple(Entry(hint.name, _asked(hint), "") for hint in _hints(unit)),
        makes="" if makes is None else makes.__name__,
        output=() if makes is None else tuple(_fields(makes)),
        source=_source(name, unit),
    )


def _text(unit: type[Unit]) -> str:
    text = inspect.cleandoc(unit.__doc__ or "")
    return text.partition(f"\n{_SECTION}\n")[0].strip()


def _parameters(unit: type[Unit]) -> Iterator[Entry]:
    meanings, hints = _meanings(unit), get_type_hints(unit)
    for name, field in unit.model_fields.items():
        default = "must be given" if field.is_required() else f"default {field.default!r}"
        yield Entry(name, f"{inspect.formatannotation(hints[name])}, {default}", meanings.get(name, ""))


def _fields(makes: type[Result]) -> Iterator[Entry]:
    meanings = _meanings(makes)
    hints = get_type_hints(makes)
    for name in makes.__struct_fields__:
        yield Entry(name, inspect.formatannotation(hints[name]), meanings.get(name, ""))


def _hints(unit: type[Unit]) -> tuple[Hint, ...]:
    if issubclass(unit, Analyser):
        return signature_of(unit).hints
    if issubclass(unit, Reactor):
        return reactor_hints(unit)
    return filter_hints(unit) if issubclass(unit, Filter) else ()


def _asked(hint: Hint) -> str:
    what = hint.kind.value if hint.result is None else f"{hint.kind.value}: {hint.result.__name__}"
    if hint.selector is not None:
        what += f": {type(hint.selector).__name__.lower()} detection"
    return f"{what}, may be absent" if hint.is_optional else what


def _source(name: str, unit: type[Unit]) -> str:
    distribution = installed.units()[name].dist
    said = f"{distribution.name} {distribution.version}, " if distribution is not None else ""
    return f"{said}{unit.__module__}, code {installed.code_digest(name).hex()[:12]}"


def _meanings(kind: type[Any]) -> dict[str, str]:
    """Return what the docstrings of a class and its bases say of their attributes, by name."""
    meanings: dict[str, str] = {}
    for base in kind.__mro__:
        for name, text in _attributes(inspect.cleandoc(base.__dict__.get("__doc__") or "")):
            if not text.startswith(_ELSEWHERE):
                meanings.setdefault(name, text)
    return meanings


def _attributes(text: str) -> Iterator[tuple[str, str]]:
    """Yield names and texts of a numpydoc section of attributes."""
    lines = iter(text.splitlines())
    if not any(line == _SECTION for line in lines):
        return
    next(lines, "")
    names: list[str] = []
    said: list[str] = []
    for line in (*lines, ""):
        if line.startswith(_INDENT):
            said.append(line.strip())
        elif line:
            yield from ((name, " ".join(said)) for name in names)
            names, said = [name.strip() for name in line.split(",")], []
    yield from ((name, " ".join(said)) for name in names)
