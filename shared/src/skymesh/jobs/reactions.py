"""The reactions of a channel, resolved: what is told of a state, when, how often and to whom."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from skymesh.errors import SettingsError
from skymesh.jobs.outlets import OUTLETS, Grants, OutletName, ungranted
from skymesh.jobs.spec import ReactSpec
from skymesh.jobs.when import Condition
from skymesh.jobs.wires import Mistake, Wire, Wiring
from skymesh.model.access import Labels
from skymesh.model.execution import UnitRef
from skymesh.units.reaction import Once
from skymesh.units.reactor_wiring import reactor_hints
from skymesh.units.unit import Maker, Reactor, Result

VIEW = "view"
"""What T3's journal calls its views; no reaction is called so."""


@dataclass(frozen=True)
class ReactionPlan:
    """A reaction of a channel.

    Attributes
    ----------
    name
        The key under ``react:``.
    ref, unit
        The unit, configured.
    wires
        Its inputs.
    when
        The condition that a state must meet.
    once
        Whether it fires once for an object or for each of its states.
    outlets
        Where its messages go; each is told on its own.
    """

    name: str
    ref: UnitRef
    unit: Reactor
    wires: tuple[Wire, ...]
    when: Condition
    once: Once
    outlets: tuple[OutletName, ...]


class ConfiguredReactor(Protocol):
    """A reactor with its parameters."""

    @property
    def ref(self) -> UnitRef:
        """Name, version and config."""

    @property
    def unit(self) -> Reactor:
        """The unit itself."""


class ReactionResolver:
    """Resolves the reactions of one channel.

    Parameters
    ----------
    grants, makes
        What the channel may see, and its instances with their result types.
    outlets
        What each outlet may be sent.
    makers
        The instances themselves.
    configure
        Configures a unit; None if that is a mistake, of which it takes note.
    wiring
        Finds what meets the hints of a unit.
    mistake
        Takes note of mistakes.
    """

    def __init__(
        self,
        grants: Labels,
        makes: Mapping[str, type[Result]],
        outlets: Grants,
        makers: Mapping[str, Maker],
        configure: Callable[[str, ReactSpec], ConfiguredReactor | None],
        wiring: Wiring,
        mistake: Mistake,
    ) -> None:
        self._grants = grants
        self._makes = makes
        self._outlets = outlets
        self._makers = makers
        self._configure = configure
        self._wiring = wiring
        self._mistake = mistake

    def resolve(self, place: str, specs: Mapping[str, ReactSpec]) -> tuple[ReactionPlan, ...]:
        """Return the reactions that have no mistake."""
        found = [self._reaction(f"{place}.{name}", name, spec) for name, spec in specs.items()]
        reactions = tuple(reaction for reaction in found if reaction is not None)
        self._check_apart(place, reactions)
        return reactions

    def _reaction(self, place: str, name: str, spec: ReactSpec) -> ReactionPlan | None:
        if name == VIEW:
            self._mistake(place, f"{VIEW!r} is what the journal calls the view itself; choose another name")
        configured = self._configure(place, spec)
        condition = self._condition(f"{place}.when", spec.when)
        self._check_outlets(f"{place}.to", spec.to)
        if configured is None or condition is None:
            return None
        try:
            hints = reactor_hints(type(configured.unit))
        except SettingsError as error:
            self._mistake(place, str(error))
            return None
        wires = self._wiring.wires(place, spec, configured.unit, hints)
        self._wiring.check(place, configured.unit, wires, self._makers)
        once = spec.once or _usual(spec.to)
        return ReactionPlan(name, configured.ref, configured.unit, wires, condition, once, tuple(spec.to))

    def _condition(self, place: str, text: str) -> Condition | None:
        try:
            return Condition(text, self._makes)
        except SettingsError as error:
            self._mistake(place, str(error))
            return None

    def _check_outlets(self, place: str, outlets: list[Any]) -> None:
        for index, outlet in enumerate(outlets):
            if outlet in outlets[:index]:
                self._mistake(place, f"{outlet!r} is there twice")
            elif hidden := ungranted(outlet, self._grants, self._outlets):
                self._mistake(place, f"{outlet!r} is not granted {', '.join(hidden)}")

    def _check_apart(self, place: str, reactions: tuple[ReactionPlan, ...]) -> None:
        """Refuse reactions that an outlet could not tell apart: their ids would be the same."""
        known: dict[tuple[Any, ...], str] = {}
        for reaction in reactions:
            for outlet in reaction.outlets:
                key = (reaction.ref.unit, reaction.ref.config, reaction.once, outlet)
                other = known.setdefault(key, reaction.name)
                if other != reaction.name:
                    self._mistake(
                        f"{place}.{reaction.name}",
                        f"tells {outlet!r} the same as {other!r}: the same unit and config;"
                        " give one of them another config, such as a title",
                    )


def _usual(outlets: list[Any]) -> Once:
    """Return how often a reaction fires where the job does not say."""
    return "state" if all(OUTLETS[outlet].is_reversible for outlet in outlets) else "stock"
