"""Computing a result again from what it was recorded to be given."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

from skymesh.catalogue import Catalogue
from skymesh.errors import NotFoundError, SettingsError
from skymesh.jobs.plan import Configured
from skymesh.model.execution import InputEntry, Result, content_digest
from skymesh.model.ids import Digest, parse_id
from skymesh.model.point import DataPoint
from skymesh.model.run import ConfigRecord, ResourceRecord
from skymesh.model.state import State
from skymesh.runtime.execute import Finished, Task, execute
from skymesh.runtime.expired import told_expiry
from skymesh.store.store import Store
from skymesh.units import installed
from skymesh.units.inputs import Cutouts, Position
from skymesh.units.unit import Analyser, Tabulator, Unit
from skymesh.units.wiring import OF_MATERIAL, OF_RESOURCES, OF_RESULTS, Hint, InputKind, signature_of
from skymesh_local.expired import stamps_expiry
from skymesh_local.objects import arrivals_of, plain, points_of, unseen
from skymesh_t2.inputs import StateMaterial, typed


class Reproduction(NamedTuple):
    """How a second computation compares with the recorded one.

    Attributes
    ----------
    is_equal
        Whether they agree: in every byte, or within the unit's `rtol` if it declares one.
    lines
        What was compared, and the differences.
    """

    is_equal: bool
    lines: tuple[str, ...]


async def reproduce(store: Store, text: str) -> Reproduction:
    """Compute a result again.

    Raises
    ------
    SettingsError
        If the id is no result's, or the unit is not installed, or asks for other inputs than it was given.
    """
    kind, id_ = parse_id(text)
    if kind != "result":
        raise SettingsError("only results are computed again", where=text)
    result = await store.get(Result, id=id_)
    if result is None:
        raise unseen(text)
    unit = await _unit(store, result.ref.unit, result.ref.config)
    if not isinstance(unit, Analyser):
        raise SettingsError(f"{result.ref.unit} is no analyser any more", where=text)
    notes = _notes(result, unit)
    again = await _execute(store, result, unit)
    if again.outcome == result.outcome and content_digest(again.outcome, again.content) == result.digest:
        return Reproduction(True, (*notes, f"{text} is the same: {result.outcome}"))
    differences = tuple(
        _differences(
            "", _told(result.outcome, result.content), _told(again.outcome, again.content), unit.rtol
        )
    )
    if not differences:
        return Reproduction(True, (*notes, f"{text} is the same within rtol {unit.rtol}"))
    return Reproduction(False, (*notes, f"{text} is not the same:", *differences))


def _notes(result: Result, unit: Unit) -> tuple[str, ...]:
    if result.ref.version.partition("+")[0] != unit.version:
        return (f"recorded with version {result.ref.version}, installed is {unit.version}",)
    if installed.code_digest(result.ref.unit) != result.ref.code:
        return ("the unit's code has changed since",)
    return ()


async def _unit(store: Store, name: str, config: Digest) -> Unit:
    record = await store.get(ConfigRecord, id=config)
    if record is None:
        raise NotFoundError("the recorded parameters are not in the store", where=f"config:{config.hex()}")
    return installed.configure(name, record.parameters)


async def _execute(store: Store, result: Result, unit: Analyser) -> Finished:
    signature = signature_of(type(unit))
    materials: dict[Digest, StateMaterial] = {}
    given: dict[str, Any] = {}
    for hint in signature.hints:
        if hint.kind is not InputKind.RANDOM:
            entry = _entry(result, hint)
            if entry[0] == "absent" and not hint.is_optional:
                return Finished("missing", result.reason, None)
            if hint.kind is InputKind.RESULT and not hint.is_optional and entry[2] != "ok":
                return Finished("missing", result.reason, None)
            given[hint.name] = await _argument(store, result, hint, entry, materials)
    random = tuple(hint.name for hint in signature.hints if hint.kind is InputKind.RANDOM)
    return execute(Task(result.id, unit, signature.makes, given, random))


# The tag of each kind of input as it was recorded; what may be absent is tagged so.
_TAGS = {
    InputKind.STATE: "state", InputKind.POINTS: "points", InputKind.CURVE: "curve",
    InputKind.POINT: "point", InputKind.POSITION: "position", InputKind.CUTOUTS: "cutouts",
    InputKind.RESULT: "result", InputKind.ALL_RESULTS: "results",
    InputKind.CATALOGUE: "catalogue", InputKind.ALL_CATALOGUES: "catalogues",
}  # fmt: skip


def _entry(result: Result, hint: Hint) -> InputEntry:
    """Return what was recorded under the name of an input.

    Raises
    ------
    SettingsError
        If the installed unit asks for something else than the one that ran.
    """
    entry = result.inputs.get(hint.name)
    if entry is None or entry[0] not in {_TAGS[hint.kind], "absent"}:
        recorded = ", ".join(f"{name} ({entry[0]})" for name, entry in result.inputs.items()) or "nothing"
        raise SettingsError(
            f"{result.ref.unit} now asks for {hint.name} ({_TAGS[hint.kind]}); it was given {recorded}",
            where=f"result:{result.id.hex()}",
        )
    return entry


async def _argument(
    store: Store, result: Result, hint: Hint, entry: InputEntry, materials: dict[Digest, StateMaterial]
) -> Any:
    if entry[0] == "absent":
        return None
    if hint.kind in OF_MATERIAL:
        return await _of_material(store, result, entry)
    if hint.kind in OF_RESOURCES:
        return await _of_resources(store, entry)
    if hint.kind in OF_RESULTS:
        return await _of_results(store, hint, entry)
    id_ = Digest(entry[1])
    if id_ not in materials:
        materials[id_] = await _material(store, id_)
    if hint.kind is InputKind.CURVE:
        return materials[id_].curve(await _tabulator(store, entry))
    return materials[id_].points if hint.kind is InputKind.POINTS else materials[id_].state


async def _of_results(store: Store, hint: Hint, entry: InputEntry) -> Any:
    if hint.kind is InputKind.ALL_RESULTS:
        found = {name: await _typed(store, hint, Digest(id_)) for name, id_, _ in entry[1]}
        return {name: value for name, value in found.items() if value is not None}
    return await _typed(store, hint, Digest(entry[1]))


async def _of_material(store: Store, result: Result, entry: InputEntry) -> Position | DataPoint | Cutouts:
    if entry[0] == "position":
        return Position(*entry[2:])
    id_ = Digest(entry[2])
    if entry[0] == "cutouts":
        block = await store.read_cutouts(id_)
        if block is None:
            raise await _lost_stamps(store, result, id_)
        return Cutouts.of(block)
    for arrival in await arrivals_of(store, result.stock):
        for point in arrival.alert.points:
            if point.id == id_:
                return point
    raise NotFoundError("the recorded point is not in the store", where=f"point:{id_.hex()}")


async def _lost_stamps(store: Store, result: Result, id_: Digest) -> NotFoundError:
    arrivals = await arrivals_of(store, result.stock)
    expired = await stamps_expiry(store, [a for a in arrivals if a.alert.cutouts == id_])
    why = "are not in the store" if expired is None else told_expiry(expired)
    return NotFoundError(f"the recorded image stamps {why}", where=f"cutout:{id_.hex()}")


async def _of_resources(store: Store, entry: InputEntry) -> Catalogue | dict[str, Catalogue]:
    if entry[0] == "catalogues":
        return {name: await _catalogue(store, Digest(id_)) for name, id_ in entry[1]}
    return await _catalogue(store, Digest(entry[1]))


async def _catalogue(store: Store, id_: Digest) -> Catalogue:
    """Open a catalogue where it lay, if it is still the snapshot that was recorded."""
    record = await store.get(ResourceRecord, id=id_)
    if record is None:
        raise NotFoundError(
            "the recorded catalogue is not known to the store", where=f"catalogue:{id_.hex()}"
        )
    catalogue = Catalogue.open(Path(record.path))
    if catalogue.digest != id_:
        raise SettingsError("this is another snapshot than the recorded one", where=record.path)
    return catalogue


async def _typed(store: Store, hint: Hint, id_: Digest) -> Any:
    result = await store.get(Result, id=id_)
    if result is None:
        raise NotFoundError("a result that it builds on is not in the store", where=f"result:{id_.hex()}")
    return typed(hint, result)


async def _tabulator(store: Store, entry: InputEntry) -> Configured[Tabulator]:
    _, _, name, _, config = entry
    unit = await _unit(store, name, Digest(config))
    if not isinstance(unit, Tabulator):
        raise SettingsError(f"{name} is no tabulator any more", where=name)
    return Configured(installed.reference(name, unit), unit)


async def _material(store: Store, id_: Digest) -> StateMaterial:
    state = await store.get(State, id=id_)
    if state is None:
        raise NotFoundError("the recorded state is not in the store", where=f"state:{id_.hex()}")
    return StateMaterial(id_, state.stock, await points_of(store, state))


def _told(outcome: str, content: Any) -> dict[str, Any]:
    return {"outcome": outcome, "content": plain(content)}


def _differences(place: str, recorded: Any, again: Any, rtol: float | None) -> list[str]:
    """Return one line per value that differs by more than the unit allows."""
    if isinstance(recorded, dict) and isinstance(again, dict):
        lines = []
        for key in sorted(recorded.keys() | again.keys()):
            lines += _differences(f"{place}.{key}".lstrip("."), recorded.get(key), again.get(key), rtol)
        return lines
    if isinstance(recorded, list) and isinstance(again, list) and len(recorded) == len(again):
        return [
            line
            for index, (one, other) in enumerate(zip(recorded, again, strict=True))
            for line in _differences(f"{place}[{index}]", one, other, rtol)
        ]
    if recorded == again or _is_close(recorded, again, rtol):
        return []
    return [f"  {place}: recorded {recorded!r}, now {again!r}"]


def _is_close(one: Any, other: Any, rtol: float | None) -> bool:
    if rtol is None or not isinstance(one, float | int) or not isinstance(other, float | int):
        return False
    return math.isclose(one, other, rel_tol=rtol)
