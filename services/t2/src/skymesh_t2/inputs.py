"""What an execution is given, and how that enters its id."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any

import msgspec

from skymesh.errors import InvariantError
from skymesh.jobs.plan import ChannelPlan, Configured, Instance
from skymesh.jobs.wires import Wire
from skymesh.lightcurve import LightCurve
from skymesh.model.execution import ABSENT, InputEntry, Result, UnitRef
from skymesh.model.ids import Digest, text_id
from skymesh.model.point import DataPoint
from skymesh.model.records import Stamp
from skymesh.model.state import State
from skymesh.units.inputs import Cutouts, DataPoints, PointSelector, Position
from skymesh.units.unit import Result as UnitResult
from skymesh.units.unit import Tabulator
from skymesh.units.wiring import OF_MATERIAL, OF_RESOURCES, OF_RESULTS, Hint, InputKind


class StateMaterial:
    """What executions on one state may ask for, made once and only when asked for.

    Parameters
    ----------
    id_, stock
        The state and its stock.
    points
        Its points, in order of time.
    cutouts
        Id of the image stamps of the alert at which it was reached, None without.
    stamps
        Blocks of image stamps by id, as far as they were asked for.
    """

    def __init__(
        self,
        id_: Digest,
        stock: str,
        points: tuple[DataPoint, ...],
        cutouts: Digest | None = None,
        stamps: Mapping[Digest, bytes] = MappingProxyType({}),
    ) -> None:
        self._id = id_
        self.stock = stock
        self.points = DataPoints(points)
        self.cutouts = cutouts
        self._stamps = stamps
        self._curves: dict[UnitRef, LightCurve] = {}

    @property
    def state(self) -> State:
        """The state itself."""
        return State(self._id, self.stock, tuple(sorted(point.id for point in self.points)))

    def curve(self, tabulator: Configured[Tabulator]) -> LightCurve:
        """Return the light curve that a tabulator makes of the state."""
        if tabulator.ref not in self._curves:
            self._curves[tabulator.ref] = tabulator.unit.tabulate(self.points.points)
        return self._curves[tabulator.ref]

    @cached_property
    def position(self) -> Position | None:
        """The mean position of the detections; None without any."""
        return Position.of(self.points)

    def point(self, selector: PointSelector) -> DataPoint | None:
        """Return the detection that a selector chooses; None without any."""
        detections = self.points.detections
        return selector.select(detections) if len(detections) else None

    @property
    def stamps(self) -> Cutouts | None:
        """The image stamps; None if there are none, or not at hand."""
        block = None if self.cutouts is None else self._stamps.get(self.cutouts)
        return None if block is None else Cutouts.of(block)


def entries(
    instance: Instance,
    channel: ChannelPlan,
    state: Digest,
    material: StateMaterial | None,
    stamps: Mapping[str, Stamp],
) -> dict[str, InputEntry]:
    """Return what an execution is given, by parameter, as it enters the id.

    Parameters
    ----------
    instance, channel, state
        The execution.
    material
        What the state consists of; needed if `needs_material`.
    stamps
        How the channel's instances were settled on the state: at least those that the execution builds on.
    """
    found = {}
    for wire in instance.wires:
        if wire.hint.kind is not InputKind.RANDOM:
            found[wire.hint.name] = _entry(wire, channel, state, material, stamps)
    return found


def needs_material(instance: Instance) -> bool:
    """Return whether what an execution is given is known only with the points of the state at hand."""
    return any(wire.hint.kind in OF_MATERIAL for wire in instance.wires)


def _entry(
    wire: Wire,
    channel: ChannelPlan,
    state: Digest,
    material: StateMaterial | None,
    stamps: Mapping[str, Stamp],
) -> InputEntry:
    kind = wire.hint.kind
    if kind in OF_MATERIAL:
        if material is None:
            raise ValueError("an input made from points needs them")
        return _material_entry(wire.hint, material)
    if kind in OF_RESOURCES:
        return _resource_entry(wire)
    if kind in OF_RESULTS:
        return _result_entry(wire, stamps)
    if kind is InputKind.CURVE:
        ref = channel.tabulator.ref
        return ("curve", state, ref.unit, ref.version, ref.config)
    return ("points" if kind is InputKind.POINTS else "state", state)


def _result_entry(wire: Wire, stamps: Mapping[str, Stamp]) -> InputEntry:
    if wire.hint.kind is InputKind.ALL_RESULTS:
        return ("results", tuple((n, stamps[n].id, stamps[n].outcome) for n in wire.sources))
    if not wire.sources:
        return ABSENT
    stamp = stamps[wire.sources[0]]
    return ("result", stamp.id, stamp.outcome)


def _material_entry(hint: Hint, material: StateMaterial) -> InputEntry:
    """Return the entry of an input made from points or stamps.

    The stock is part of it: whoever may see one object learns nothing of another at the same place.
    """
    made = of_material(hint, material)
    if isinstance(made, Position):
        return ("position", material.stock, made.ra_deg, made.dec_deg)
    if isinstance(made, DataPoint):
        return ("point", material.stock, made.id)
    # Stamps enter by their id, which is known before they are read.
    if hint.kind is InputKind.CUTOUTS and material.cutouts is not None:
        return ("cutouts", material.stock, material.cutouts)
    return (*ABSENT, material.stock)


def _resource_entry(wire: Wire) -> InputEntry:
    if wire.hint.kind is InputKind.ALL_CATALOGUES:
        return ("catalogues", tuple((name, wire.catalogues[name].digest) for name in wire.sources))
    return ("catalogue", wire.catalogues[wire.sources[0]].digest) if wire.sources else ABSENT


def of_material(hint: Hint, material: StateMaterial) -> Position | DataPoint | Cutouts | None:
    """Return an input that is made from the points of a state or its alert; None if there is none."""
    if hint.kind is InputKind.POSITION:
        return material.position
    if hint.kind is InputKind.CUTOUTS:
        return material.stamps
    return None if hint.selector is None else material.point(hint.selector)


_WHY_MISSING = {
    InputKind.POSITION: "no visible detection has a position",
    InputKind.POINT: "no visible detection",
    InputKind.CUTOUTS: "the alert has no image stamps",
}


def missing(instance: Instance, material: StateMaterial, stamps: Mapping[str, Stamp]) -> str:
    """Return why an execution cannot be done: a required input is not there; empty if it can."""
    for wire in instance.wires:
        hint = wire.hint
        if hint.is_optional:
            continue
        if hint.kind is InputKind.RESULT:
            source = stamps[wire.sources[0]]
            if source.outcome != "ok":
                return f"{wire.sources[0]} is {source.outcome}: {source.reason}"
        elif hint.kind in OF_MATERIAL and of_material(hint, material) is None:
            return _WHY_MISSING[hint.kind]
    return ""


def arguments(
    instance: Instance,
    channel: ChannelPlan,
    material: StateMaterial,
    stamps: Mapping[str, Stamp],
    results: Mapping[Digest, Result],
) -> dict[str, Any]:
    """Return the arguments of an execution whose required inputs are all ok.

    Parameters
    ----------
    instance, channel, material
        The execution.
    stamps
        How the channel's instances were settled on the state.
    results
        The results that it builds on, as far as they are ok.

    Raises
    ------
    InvariantError
        If one of them is not there.
    """
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
            made = {source: _made(wire.hint, stamps[source], results) for source in wire.sources}
            given[name] = {source: result for source, result in made.items() if result is not None}
        elif kind in OF_MATERIAL:
            given[name] = of_material(wire.hint, material)
        elif kind in OF_RESOURCES:
            given[name] = wire.resource
        elif wire.hint.result is not None:
            given[name] = _made(wire.hint, stamps[wire.sources[0]], results) if wire.sources else None
    return given


def _made(hint: Hint, stamp: Stamp, results: Mapping[Digest, Result]) -> UnitResult | None:
    """Return what an instance made, as it was settled, whatever the store has under its id since."""
    if stamp.outcome != "ok":
        return None
    if stamp.id not in results:
        raise InvariantError("was settled and is not in the store", where=text_id("result", stamp.id))
    return typed(hint, results[stamp.id])


def typed(hint: Hint, result: Result) -> UnitResult | None:
    """Return a result as its unit made it; None if it is not ok.

    Raises
    ------
    msgspec.ValidationError
        If the stored content is no such result.
    """
    if result.outcome != "ok" or hint.result is None:
        return None
    return msgspec.convert(result.content, hint.result)
