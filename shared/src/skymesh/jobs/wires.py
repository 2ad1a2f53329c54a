"""Wiring the units of a job: which instances and resources meet the inputs that their hints ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from skymesh.catalogue import Catalogue
from skymesh.jobs.spec import WiredSpec
from skymesh.units.unit import Maker, Result, Unit
from skymesh.units.wiring import OF_RESOURCES, OF_RESULTS, Hint, InputKind

Mistake = Callable[[str, str], None]
"""Takes note of a mistake: the place in the job, and the problem."""


@dataclass(frozen=True)
class Wire:
    """An input of a unit and what meets it.

    Attributes
    ----------
    hint
        The parameter.
    sources
        Names of instances or resources; empty for inputs made from the state, or where there are none.
    catalogues
        The resources themselves, by name.
    """

    hint: Hint
    sources: tuple[str, ...]
    catalogues: Mapping[str, Catalogue]

    @property
    def instances(self) -> tuple[str, ...]:
        """Names of the instances that it builds on."""
        return self.sources if self.hint.kind in OF_RESULTS else ()

    @property
    def is_met(self) -> bool:
        """Whether every catalogue that it names is there."""
        return self.hint.kind not in OF_RESOURCES or len(self.catalogues) == len(self.sources)

    @property
    def resource(self) -> Any:
        """What the unit is given, where it asks for resources."""
        if self.hint.kind is InputKind.ALL_CATALOGUES:
            return dict(self.catalogues)
        return self.catalogues.get(self.sources[0]) if self.sources else None


def given_by(wires: Iterable[Wire], makers: Mapping[str, Maker]) -> dict[str, Mapping[str, Any]]:
    """Return what meets the inputs of a unit, as `Unit.problems` takes it.

    Parameters
    ----------
    wires
        Its inputs.
    makers
        The instances of the channel; without them inputs that results meet are left out.
    """
    given: dict[str, Mapping[str, Any]] = {}
    for wire in wires:
        made_by = {name: makers[name] for name in wire.instances if name in makers}
        if sources := wire.catalogues or made_by:
            given[wire.hint.name] = sources
    return given


class Wiring:
    """Finds what meets hints.

    Parameters
    ----------
    resources
        The catalogues of the job, by name; None for one that could not be opened, of which nothing more
        is said.
    makers
        The instances of the channel that make results, with the type that each makes.
    mistake
        Takes note of mistakes.
    """

    def __init__(
        self,
        resources: Mapping[str, Catalogue | None],
        makers: Mapping[str, type[Result]],
        mistake: Mistake,
    ) -> None:
        self._resources = resources
        self._makers = makers
        self._mistake = mistake

    def wires(
        self, place: str, spec: WiredSpec, unit: Unit, hints: tuple[Hint, ...], own: str = ""
    ) -> tuple[Wire, ...]:
        """Return the wires of a unit; `own` is its name, for nothing is made from itself."""
        chosen = {hint.name for hint in hints if hint.kind in OF_RESULTS | OF_RESOURCES}
        for name in spec.inputs:
            if name not in chosen:
                known = ", ".join(sorted(chosen)) or "none"
                self._mistake(
                    f"{place}.inputs",
                    f"{spec.unit} takes no result or resource named {name!r}; it takes: {known}",
                )
        return tuple(self._wire(place, spec, unit, hint, own) for hint in hints)

    def check(self, place: str, unit: Unit, wires: tuple[Wire, ...], makers: Mapping[str, Maker]) -> None:
        """Take note of what a unit finds wrong with its inputs, if these are all there."""
        if all(wire.is_met for wire in wires):
            for problem in unit.problems(given_by(wires, makers)):
                self._mistake(place, problem)

    def _wire(self, place: str, spec: WiredSpec, unit: Unit, hint: Hint, own: str) -> Wire:
        if hint.kind in OF_RESOURCES:
            able = list(self._resources)
            if hint.kind is InputKind.ALL_CATALOGUES:
                able = list(unit.catalogues_used(able))
            sources = self._sources(place, hint, "a catalogue", able, spec.inputs)
            found = {name: self._resources.get(name) for name in sources}
            opened = {name: catalogue for name, catalogue in found.items() if catalogue is not None}
            return Wire(hint, sources, opened)
        if hint.result is None:
            return Wire(hint, (), {})
        able = [name for name, makes in self._makers.items() if makes is hint.result and name != own]
        return Wire(hint, self._sources(place, hint, hint.result.__name__, able, spec.inputs), {})

    def _sources(
        self, place: str, hint: Hint, wanted: str, able: list[str], inputs: Mapping[str, str]
    ) -> tuple[str, ...]:
        chosen = inputs.get(hint.name)
        if chosen is not None:
            if chosen not in able:
                self._mistake(
                    f"{place}.inputs.{hint.name}",
                    f"no other instance {chosen!r} makes {wanted}"
                    if hint.kind in OF_RESULTS
                    else f"the job has no catalogue {chosen!r}",
                )
            return (chosen,)
        if hint.kind in (InputKind.ALL_RESULTS, InputKind.ALL_CATALOGUES):
            return tuple(sorted(able))
        if len(able) > 1 and hint.is_optional and hint.kind in OF_RESOURCES:
            # Nobody says which one is meant; a unit that cannot do without says so itself.
            return ()
        if len(able) > 1:
            are = (
                f"which {', '.join(able)} make"
                if hint.kind in OF_RESULTS
                else f"and there are {', '.join(able)}"
            )
            self._mistake(place, f"{hint.name} wants {wanted}, {are}: say inputs: {{{hint.name}: {able[0]}}}")
        if not able and not hint.is_optional:
            nobody = (
                "which no instance of the channel makes"
                if hint.kind in OF_RESULTS
                else "add one under resources:"
            )
            self._mistake(place, f"{hint.name} wants {wanted}, {nobody}")
        return tuple(able[:1])
