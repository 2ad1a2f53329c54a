"""The plan of a job: every unit configured, every input wired, every grant known."""

from __future__ import annotations

import graphlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

from skymesh.catalogue import Catalogue
from skymesh.errors import JobError, SettingsError
from skymesh.jobs.outlets import USUAL_GRANTS, Grants, ungranted
from skymesh.jobs.pools import pool_problem
from skymesh.jobs.reactions import ReactionPlan, ReactionResolver
from skymesh.jobs.spec import AnalyseSpec, ChannelSpec, JobSpec, UnitSpec, WiredSpec
from skymesh.jobs.wires import Wire, Wiring, given_by
from skymesh.model.access import Labels
from skymesh.model.execution import UnitRef
from skymesh.model.ids import Digest
from skymesh.model.run import job_id
from skymesh.surveys import registry
from skymesh.units import installed
from skymesh.units.filter import Filter
from skymesh.units.unit import Analyser, Combiner, Maker, Reactor, Result, Summary, Tabulator, Unit
from skymesh.units.wiring import Signature, filter_hints, signature_of

T = TypeVar("T")
U = TypeVar("U", bound=Unit)


@dataclass(frozen=True)
class Instance:
    """An analyser in a channel.

    Attributes
    ----------
    name
        The key under ``analyse:``.
    ref, unit
        The unit, configured.
    makes
        Its result type.
    wires
        Its inputs.
    level
        0 if it builds on no result, else one more than the highest level it builds on.
    pool
        The pool of workers that runs it in a live mesh; empty for none.
    """

    name: str
    ref: UnitRef
    unit: Analyser
    makes: type[Result]
    wires: tuple[Wire, ...]
    level: int
    pool: str

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """Names of the instances that it builds on."""
        return tuple(dict.fromkeys(source for wire in self.wires for source in wire.instances))


@dataclass(frozen=True)
class Configured(Generic[T]):
    """A configured unit that is no analyser, with the catalogues that it is given."""

    ref: UnitRef
    unit: T
    wires: tuple[Wire, ...] = ()

    @cached_property
    def given(self) -> dict[str, Any]:
        """The arguments beside what the unit works on; optional ones that are not there are left out."""
        resources = {wire.hint.name: wire.resource for wire in self.wires}
        return {name: resource for name, resource in resources.items() if resource is not None}


@dataclass(frozen=True)
class ChannelPlan:
    """One channel, resolved.

    Attributes
    ----------
    name
        ``job/channel``.
    grants
        The access labels it is granted.
    follow
        Whether a stock that the filter accepted once is kept from then on.
    filter, combiner, tabulator
        Its units.
    instances
        Its analysers in an order in which each comes behind those it builds on.
    reactions
        What it tells, and to whom.
    """

    name: str
    grants: Labels
    follow: bool
    filter: Configured[Filter]
    combiner: Configured[Combiner]
    tabulator: Configured[Tabulator]
    instances: tuple[Instance, ...]
    reactions: tuple[ReactionPlan, ...] = ()


@dataclass(frozen=True)
class SummaryPlan:
    """Products of a run: their unit, the channels they are made from, and where they go.

    Attributes
    ----------
    name, summary, channels, outlets
        The key under ``summarise:``, the unit, the full names of channels, the outlets.
    labels
        The access labels granted to any of the channels: points with any of them may stand behind it.
    """

    name: str
    summary: Configured[Summary]
    channels: tuple[str, ...]
    outlets: tuple[str, ...]
    labels: Labels


@dataclass(frozen=True)
class JobPlan:
    """A whole job, resolved.

    Attributes
    ----------
    name, channels, summaries, resources
        What it says, with units configured and catalogues opened.
    spec
        The job as it was written, as plain values, its folders absolute: planned again, it is the same.
    """

    name: str
    channels: tuple[ChannelPlan, ...]
    summaries: tuple[SummaryPlan, ...]
    resources: Mapping[str, Catalogue] = field(default_factory=dict)
    spec: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def resolved(self) -> dict[str, Any]:
        """The job as plain values: what its id digests."""
        plain = {
            "name": self.name,
            "channels": {channel.name: _plain_channel(channel) for channel in self.channels},
            "summaries": {s.name: _plain_summary(s) for s in self.summaries},
        }
        if self.resources:
            # By content: the same catalogue in another folder is the same job.
            plain["resources"] = {name: {"catalogue": c.digest} for name, c in self.resources.items()}
        return plain

    @cached_property
    def id(self) -> Digest:
        """Digest of the resolved channels, units and versions."""
        return job_id(self.resolved)

    @cached_property
    def by_name(self) -> dict[str, ChannelPlan]:
        """The channels by their full names."""
        return {channel.name: channel for channel in self.channels}

    def units(self) -> Iterator[tuple[UnitRef, Unit]]:
        """Yield every configured unit."""
        for channel in self.channels:
            for configured in (channel.filter, channel.combiner, channel.tabulator):
                yield configured.ref, configured.unit
            for instance in channel.instances:
                yield instance.ref, instance.unit
            for reaction in channel.reactions:
                yield reaction.ref, reaction.unit
        for summary in self.summaries:
            yield summary.summary.ref, summary.summary.unit


def plan_job(spec: JobSpec, where: str, folder: Path = Path(), *, outlets: Grants = USUAL_GRANTS) -> JobPlan:
    """Resolve a job.

    Parameters
    ----------
    spec, where
        The job as it is written, and the name of its file.
    folder
        Where the paths of its resources begin, unless they are absolute.
    outlets
        What each outlet may be sent.

    Raises
    ------
    JobError
        With one line for every mistake that was found.
    """
    return _Planner(spec, where, folder, outlets).plan()


class _Planner:
    """Resolves a job and collects its mistakes, so that all are told at once."""

    def __init__(self, spec: JobSpec, where: str, folder: Path, outlets: Grants) -> None:
        self._spec = spec
        self._where = where
        self._folder = folder
        self._outlets = outlets
        self._mistakes: list[str] = []
        self._resources = self._opened(folder)

    def plan(self) -> JobPlan:
        channels = [self._channel(name, channel) for name, channel in self._spec.channels.items()]
        makes = {
            channel.name.rpartition("/")[2]: {instance.name: instance.makes for instance in channel.instances}
            for channel in channels
            if channel is not None
        }
        summaries = [self._summary(name, makes) for name in self._spec.summarise]
        if self._mistakes:
            raise JobError(self._mistakes[0], lines=tuple(self._mistakes))
        return JobPlan(
            self._spec.name,
            tuple(c for c in channels if c is not None),
            tuple(s for s in summaries if s is not None),
            {name: catalogue for name, catalogue in self._resources.items() if catalogue is not None},
            self._written(),
        )

    def _written(self) -> dict[str, Any]:
        """Return the job as it is written, with the folders of its resources found from anywhere."""
        spec = self._spec.model_dump(mode="json")
        for name, resource in spec["resources"].items():
            resource["catalogue"] = str((self._folder / self._spec.resources[name].catalogue).resolve())
        return spec

    def _opened(self, folder: Path) -> dict[str, Catalogue | None]:
        """Return the catalogues; None for one that cannot be opened, which is told here alone."""
        found: dict[str, Catalogue | None] = {}
        for name, spec in self._spec.resources.items():
            try:
                found[name] = Catalogue.open(folder / spec.catalogue)
            except SettingsError as error:
                found[name] = None
                self._mistake(f"resources.{name}", str(error))
        return found

    def _mistake(self, place: str, problem: str) -> None:
        self._mistakes.append(f"{self._where}: {place}: {problem}")

    # mypy takes no abstract class for `type[U]`, as it might be called; here it is only compared with.
    def _configure(self, place: str, spec: UnitSpec, kind: type[U]) -> Configured[U] | None:
        try:
            unit = installed.configure(spec.unit, spec.config)
        except JobError as error:
            for line in error.lines:
                self._mistakes.append(f"{self._where}: {place}.config.{line}")
            return None
        except SettingsError as error:
            self._mistake(place, str(error))
            return None
        if not isinstance(unit, kind):
            self._mistake(place, f"{spec.unit} is no {kind.__name__}")
            return None
        return Configured(installed.reference(spec.unit, unit), unit)

    def _channel(self, name: str, spec: ChannelSpec) -> ChannelPlan | None:
        place = f"channels.{name}"
        self._check_access(place, spec.access)
        chosen = self._filter(f"{place}.filter", spec.filter)
        if chosen is not None:
            self._check_survey(place, spec, chosen.unit.survey)
        combiner = self._configure(f"{place}.combine", spec.combine, Combiner)  # type: ignore[type-abstract]
        tabulator = self._configure(f"{place}.curve", spec.curve, Tabulator)  # type: ignore[type-abstract]
        instances = self._instances(f"{place}.analyse", spec.analyse)
        if chosen is None or combiner is None or tabulator is None or instances is None:
            return None
        full_name = f"{self._spec.name}/{name}"
        reactions = self._reactions(f"{place}.react", spec, instances)
        return ChannelPlan(
            full_name, frozenset(spec.access), spec.follow, chosen, combiner, tabulator, instances, reactions
        )

    def _reactions(
        self, place: str, spec: ChannelSpec, instances: tuple[Instance, ...]
    ) -> tuple[ReactionPlan, ...]:
        makes = {instance.name: instance.makes for instance in instances}
        resolver = ReactionResolver(
            frozenset(spec.access),
            makes,
            self._outlets,
            {instance.name: Maker(instance.unit, given_by(instance.wires, {})) for instance in instances},
            lambda where, one: self._configure(where, one, Reactor),
            Wiring(self._resources, makes, self._mistake),
            self._mistake,
        )
        return resolver.resolve(place, spec.react)

    def _check_access(self, place: str, access: list[str]) -> None:
        known = frozenset(label for survey in registry.installed().values() for label in survey.labels)
        for label in access:
            if label not in known:
                self._mistake(
                    f"{place}.access",
                    f"no survey has the label {label!r}; there are: {', '.join(sorted(known))}",
                )

    def _check_survey(self, place: str, spec: ChannelSpec, survey: str) -> None:
        """Take note of a filter that rejects whatever the channel may see, as it is of another survey."""
        of_survey = registry.installed().get(survey)
        if of_survey is not None and of_survey.labels.isdisjoint(spec.access):
            self._mistake(
                f"{place}.filter",
                f"{spec.filter.unit} judges alerts of {survey} alone, of which the channel sees none: "
                f"access has none of {', '.join(sorted(of_survey.labels))}",
            )

    def _pool(self, place: str, spec: AnalyseSpec, unit: Analyser) -> str:
        pool = unit.pool if spec.pool is None else spec.pool
        if problem := pool_problem(pool):
            self._mistake(f"{place}.pool", problem)
        return pool

    def _instances(self, place: str, specs: Mapping[str, AnalyseSpec]) -> tuple[Instance, ...] | None:
        found: dict[str, tuple[Configured[Analyser], Signature]] = {}
        for name, spec in specs.items():
            configured = self._configure(f"{place}.{name}", spec, Analyser)
            if configured is None:
                continue
            try:
                found[name] = (configured, signature_of(type(configured.unit)))
            except SettingsError as error:
                self._mistake(f"{place}.{name}", str(error))
        if len(found) < len(specs):
            return None
        makers = {name: signature.makes for name, (_, signature) in found.items()}
        wiring = Wiring(self._resources, makers, self._mistake)
        wires, pools = {}, {}
        for name, (configured, signature) in found.items():
            pools[name] = self._pool(f"{place}.{name}", specs[name], configured.unit)
            wires[name] = wiring.wires(f"{place}.{name}", specs[name], configured.unit, signature.hints, name)
        made_by = {name: Maker(found[name][0].unit, given_by(of, {})) for name, of in wires.items()}
        for name, (configured, _) in found.items():
            wiring.check(f"{place}.{name}", configured.unit, wires[name], made_by)
        levels = self._levels(place, {n: {s for wire in w for s in wire.instances} for n, w in wires.items()})
        if levels is None:
            return None
        return tuple(
            Instance(
                name, found[name][0].ref, found[name][0].unit, makers[name], wires[name], level, pools[name]
            )
            for name, level in levels.items()
        )

    def _filter(self, place: str, spec: WiredSpec) -> Configured[Filter] | None:
        configured = self._configure(place, spec, Filter)  # type: ignore[type-abstract]
        if configured is None:
            return None
        try:
            hints = filter_hints(type(configured.unit))
        except SettingsError as error:
            self._mistake(place, str(error))
            return None
        wiring = Wiring(self._resources, {}, self._mistake)
        wires = wiring.wires(place, spec, configured.unit, hints)
        wiring.check(place, configured.unit, wires, {})
        return Configured(configured.ref, configured.unit, wires)

    def _levels(self, place: str, needs: Mapping[str, set[str]]) -> dict[str, int] | None:
        try:
            order = list(
                graphlib.TopologicalSorter({name: sorted(needs[name]) for name in needs}).static_order()
            )
        except graphlib.CycleError as error:
            self._mistake(place, f"these build on each other: {' → '.join(error.args[1])}")
            return None
        levels: dict[str, int] = {}
        for name in order:
            levels[name] = 1 + max((levels[source] for source in needs.get(name, ())), default=-1)
        return levels

    def _summary(self, name: str, makes: Mapping[str, Mapping[str, type[Result]]]) -> SummaryPlan | None:
        spec = self._spec.summarise[name]
        place = f"summarise.{name}"
        for index, channel in enumerate(spec.channels):
            if channel not in self._spec.channels:
                self._mistake(f"{place}.channels", f"the job has no channel {channel!r}")
            elif channel in spec.channels[:index]:
                self._mistake(f"{place}.channels", f"{channel!r} is there twice")
        made_from = [self._spec.channels[name] for name in spec.channels if name in self._spec.channels]
        labels = frozenset(label for channel in made_from for label in channel.access)
        for outlet in spec.to:
            if hidden := ungranted(outlet, labels, self._outlets):
                self._mistake(f"{place}.to", f"{outlet!r} is not granted {', '.join(hidden)}")
        configured = self._configure(place, spec, Summary)  # type: ignore[type-abstract]
        if configured is None:
            return None
        # What a channel with a mistake makes is not known.
        given = {channel: makes[channel] for channel in spec.channels if channel in makes}
        if all(channel in given for channel in spec.channels):
            for problem in configured.unit.problems(given):
                self._mistake(place, problem)
        channels = tuple(f"{self._spec.name}/{channel}" for channel in spec.channels)
        return SummaryPlan(name, configured, channels, tuple(spec.to), labels)


def _plain_unit(ref: UnitRef, unit: Unit) -> dict[str, Any]:
    return {"unit": ref.unit, "version": ref.version, "config": installed.parameters(unit)}


def _plain_channel(channel: ChannelPlan) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "access": sorted(channel.grants),
        "follow": channel.follow,
        "filter": _plain_unit(channel.filter.ref, channel.filter.unit) | _plain_inputs(channel.filter.wires),
        "combine": _plain_unit(channel.combiner.ref, channel.combiner.unit),
        "curve": _plain_unit(channel.tabulator.ref, channel.tabulator.unit),
        "analyse": {instance.name: _plain_instance(instance) for instance in channel.instances},
    }
    if channel.reactions:
        plain["react"] = {reaction.name: _plain_reaction(reaction) for reaction in channel.reactions}
    return plain


def _plain_instance(instance: Instance) -> dict[str, Any]:
    plain = {**_plain_unit(instance.ref, instance.unit), "inputs": _plain_wires(instance.wires)}
    # A run has one way through the pools: with another way it is another run, with the same results.
    return {**plain, "pool": instance.pool} if instance.pool else plain


def _plain_wires(wires: tuple[Wire, ...]) -> dict[str, list[str]]:
    return {wire.hint.name: list(wire.sources) for wire in wires if wire.sources}


def _plain_reaction(plan: ReactionPlan) -> dict[str, Any]:
    unit = {**_plain_unit(plan.ref, plan.unit), "inputs": _plain_wires(plan.wires)}
    return {**unit, "when": plan.when.text, "once": plan.once, "to": list(plan.outlets)}


def _plain_inputs(wires: tuple[Wire, ...]) -> dict[str, Any]:
    return {"inputs": _plain_wires(wires)} if wires else {}


def _plain_summary(plan: SummaryPlan) -> dict[str, Any]:
    unit = _plain_unit(plan.summary.ref, plan.summary.unit)
    return {**unit, "channels": list(plan.channels), "to": list(plan.outlets)}
