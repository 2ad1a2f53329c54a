"""What an execution is given, and how that enters its id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from skymesh.jobs.plan import ChannelPlan, Configured, Instance
from skymesh.jobs.wires import Wire
from skymesh.lightcurve import LightCurve
from skymesh.model.execution import InputEntry, Result, UnitRef
from skymesh.model.ids import Digest
from skymesh.model.point import DataPoint
from skymesh.model.state import State
from skymesh.units.inputs import DataPoints
from skymesh.units.unit import Result as UnitResult
from skymesh.units.unit import Tabulator
from skymesh.units.wiring import InputKind

ABSENT: InputEntry = ("absent",)


class StateMaterial:
    """What executions on one state may ask for, made once and only when asked for.

    Parameters
    ----------
    id_, stock
        The state and its stock.
    points
        Its points, in order of time.
    """

    def __init__(self, id_: Digest, stock: str, points: tuple[DataPoint, ...]) -> None:
        self._id = id_
        self._stock = stock
        self.points = DataPoints(points)
        self._curves: dict[UnitRef, LightCurve] = {}

    @property
    def state(self) -> State:
        """The state itself."""
        return State(self._id, self._stock, tuple(sorted(point.id for point in self.points)))

    def curve(self, tabulator: Configured[Tabulator]) -> LightCurve:
        """Return the light curve that a tabulator makes of the state."""
        if tabulator.ref not in self._curves:
            self._curves[tabulator.ref] = tabulator.unit.tabulate(self.points.points)
        return self._curves[tabulator.ref]


def entries(
    instance: Instance, channel: ChannelPlan, state: Digest, settled: Mapping[str, Result]
) -> dict[str, InputEntry]:
    """Return what an execution is given, by parameter, as it enters the id.

    Parameters
    ----------
    instance, channel, state
        The execution.
    settled
        The channel's results on the state, by instance: at least those that the execution builds on.
    """
    found = {}
    for wire in instance.wires:
        if wire.hint.kind is not InputKind.RANDOM:
            found[wire.hint.name] = _entry(wire, channel, state, settled)
    return found


def _entry(wire: Wire, channel: ChannelPlan, state: Digest, settled: Mapping[str, Result]) -> InputEntry:
    kind = wire.hint.kind
    if kind is InputKind.STATE:
        return ("state", state)
    if kind is InputKind.POINTS:
        return ("points", state)
    if kind is InputKind.CURVE:
        ref = channel.tabulator.ref
        return ("curve", state, ref.unit, ref.version, ref.config)
    if kind is InputKind.ALL_RESULTS:
        return ("results", tuple((n, settled[n].id, settled[n].outcome) for n in wire.sources))
    if not wire.sources:
        return ABSENT
    result = settled[wire.sources[0]]
    return ("result", result.id, result.outcome)


def missing(instance: Instance, settled: Mapping[str, Result]) -> str:
    """Return why an execution cannot be done: a required input is not ok; empty if it can."""
    for wire in instance.wires:
        if wire.hint.kind is InputKind.RESULT:
            source = settled[wire.sources[0]]
            if source.outcome != "ok":
                return f"{wire.sources[0]} is {source.outcome}: {source.reason}"
    return ""


def arguments(
    instance: Instance, channel: ChannelPlan, material: StateMaterial, settled: Mapping[str, Result]
) -> dict[str, Any]:
    """Return the arguments of an execution whose required inputs are all ok."""
    given: dict[str, Any] = {}
    for wire in instance.wires:
        kind, name = wire.hint.kind, wire.hint.name
        if kind is InputKind.STATE:
            given[name] = material.state
        elif kind is InputKind.POINTS:
            given[name] = material.points
        elif kind is InputKind.CURVE:
            given[name] = material.curve(channel.tabulator)
        elif kind is InputKind.ALL_RESULTS:
            results = {source: typed(wire, settled[source]) for source in wire.sources}
            given[name] = {source: result for source, result in results.items() if result is not None}
        elif wire.hint.result is not None:
            given[name] = typed(wire, settled[wire.sources[0]]) if wire.sources else None
    return given


def typed(wire: Wire, result: Result) -> UnitResult | None:
    """Return a result as its unit made it; None if it is not ok.

    Raises
    ------
    msgspec.ValidationError
        If the stored content is no such result.
    """
    if result.outcome != "ok" or wire.hint.result is None:
        return None
    return msgspec.convert(result.content, wire.hint.result)
