"""What a reactor is given, and how that is told of its reaction."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import msgspec

from skymesh.errors import InvariantError
from skymesh.jobs.reactions import ReactionPlan
from skymesh.jobs.wires import Wire
from skymesh.lightcurve import LightCurve
from skymesh.model.execution import ABSENT, InputEntry, Result, View
from skymesh.model.ids import Digest, text_id
from skymesh.model.reaction import Intent
from skymesh.store.store import Found
from skymesh.units.inputs import DataPoints, in_order_of_time
from skymesh.units.reaction import Delivery, Earlier, Reaction
from skymesh.units.unit import ObjectView
from skymesh.units.unit import Result as UnitResult
from skymesh.units.wiring import InputKind
from skymesh_t3.sightings import sighting_of
from skymesh_t3.sites import Memory, Site
from skymesh_t3.views import object_view


class ReactionMaterial:
    """What one reaction on one state may ask for, made only when asked for.

    Parameters
    ----------
    site, reaction, id_
        The state, the reaction, and the reaction's id.
    found, memory
        What was read, and what the channel had before.
    last
        What this reaction told of the object last.
    """

    def __init__(
        self,
        site: Site,
        reaction: ReactionPlan,
        id_: Digest,
        found: Found,
        memory: Memory,
        last: Intent | None,
    ) -> None:
        self._site = site
        self._reaction = reaction
        self._id = id_
        self._found = found
        self._before = memory.before(site)
        self._last = last
        self._results = site.ok_results(found)

    def missing(self) -> str:
        """Return why the unit cannot be called: a required result is not ok; empty if it can."""
        for wire in self._reaction.wires:
            is_required = wire.hint.kind is InputKind.RESULT and not wire.hint.is_optional
            if is_required and wire.sources[0] not in self._results:
                return f"{wire.sources[0]} is {self._site.results[wire.sources[0]][1]}"
        return ""

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the unit, whose required results are all ok."""
        return {wire.hint.name: self._argument(wire) for wire in self._reaction.wires}

    def entries(self) -> dict[str, InputEntry]:
        """Return what the unit is given, by parameter, as ids."""
        return {wire.hint.name: self._entry(wire) for wire in self._reaction.wires}

    def _argument(self, wire: Wire) -> Any:
        kind = wire.hint.kind
        if kind is InputKind.VIEW:
            return self._view()
        if kind is InputKind.CURVE:
            return self._curve
        if kind is InputKind.REACTION:
            return self._itself()
        if kind is InputKind.LAST:
            return self._delivery()
        if kind is InputKind.EARLIER:
            return self._earlier(wire)
        made = {n: _typed(wire, self._results[n]) for n in wire.sources if n in self._results}
        return made if kind is InputKind.ALL_RESULTS else next(iter(made.values()), None)

    def _entry(self, wire: Wire) -> InputEntry:
        kind, results = wire.hint.kind, self._site.results
        tabulator = self._site.channel.tabulator.ref
        if kind is InputKind.VIEW or kind is InputKind.CURVE:
            tag = "view" if kind is InputKind.VIEW else "curve"
            return (tag, self._site.state, tabulator.unit, tabulator.version, tabulator.config)
        if kind is InputKind.REACTION:
            return ("reaction", self._id)
        if kind is InputKind.LAST:
            return ABSENT if self._last is None else ("reaction", self._last.id)
        if kind is InputKind.ALL_RESULTS:
            return ("results", tuple((name, *results[name]) for name in wire.sources))
        if kind is InputKind.EARLIER:
            results = {} if self._before is None else self._before[2]
        source = next((name for name in wire.sources if name in results), None)
        return ABSENT if source is None else ("result", *results[source])

    def _view(self) -> ObjectView:
        site = self._site
        view = View(
            site.run, site.channel.name, site.stock, site.position, site.alert, site.state, site.results
        )
        results = {result.id: result for result in self._results.values()}
        return msgspec.structs.replace(
            object_view(view, results), sighting=sighting_of(self._points, self._curve)
        )

    @cached_property
    def _points(self) -> DataPoints:
        """The points of the state, which are visible to the channel, in order of time."""
        state = self._found.states.get(self._site.state)
        known = {p.id: p for row in self._found.arrivals[self._site.stock] for p in row.alert.points}
        if state is None or not known.keys() >= set(state.points):
            raise InvariantError(
                "is not in the store, or its points are not", where=text_id("state", self._site.state)
            )
        return DataPoints(in_order_of_time(known[id_] for id_ in state.points))

    @cached_property
    def _curve(self) -> LightCurve:
        return self._site.channel.tabulator.unit.tabulate(self._points.points)

    def _itself(self) -> Reaction:
        plan, origin = self._reaction, self._site.deployed.origin
        return Reaction(
            text_id("reaction", self._id), self._site.channel.name, plan.name, origin, plan.when.text
        )

    def _delivery(self) -> Delivery | None:
        last = self._last
        if last is None:
            return None
        return Delivery(
            text_id("reaction", last.id), text_id("state", last.state), text_id("alert", last.alert)
        )

    def _earlier(self, wire: Wire) -> Earlier[UnitResult] | None:
        if self._before is None:
            return None
        alert, state, results = self._before
        ok = [results[n][0] for n in wire.sources if n in results and results[n][1] == "ok"]
        if not ok:
            return None
        made = _typed(wire, self._found.results[ok[0]])
        return Earlier(made, text_id("state", state), text_id("alert", alert))


def _typed(wire: Wire, result: Result) -> UnitResult:
    """Return a result that is ok as its unit made it."""
    return msgspec.convert(result.content, wire.hint.result or UnitResult)
