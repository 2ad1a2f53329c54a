"""Keeping in the store what a job selected: configs, versions and the code that stood under them."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from msgspec.structs import replace as with_fields

from skymesh.jobs.plan import ChannelPlan, Configured, JobPlan
from skymesh.model.execution import UnitRef
from skymesh.model.run import ConfigRecord, JobRecord, ResourceRecord, UnitRecord
from skymesh.store.store import Store
from skymesh.telemetry.logs import get_log
from skymesh.units import installed
from skymesh.units.unit import Unit

U = TypeVar("U", bound=Unit)


async def register_job(store: Store, plan: JobPlan) -> JobPlan:
    """Store a job with its configs and units; return the plan with the versions under which it runs.

    A unit whose code changed under an unchanged version runs as ``version+digest``: its results are
    not taken for those of the code that the store knows under that version.
    """
    refs = {ref: await _versioned(store, ref) for ref, _ in plan.units()}
    plan = _with_refs(plan, refs)
    configs = {ref.config: ConfigRecord(ref.config, installed.parameters(unit)) for ref, unit in plan.units()}
    units = {(ref.unit, ref.version): UnitRecord(ref.unit, ref.version, ref.code) for ref, _ in plan.units()}
    resources = [
        ResourceRecord(c.digest, "catalogue", str(c.path.resolve())) for c in plan.resources.values()
    ]
    await store.write(
        [
            *configs.values(),
            *units.values(),
            *resources,
            JobRecord(plan.id, plan.name, plan.resolved, dict(plan.spec)),
        ]
    )
    return plan


async def has_changed(store: Store, ref: UnitRef) -> bool:
    """Return whether the store knows other code under a unit's version."""
    known = await store.get(UnitRecord, unit=ref.unit, version=ref.version)
    return known is not None and known.code != ref.code


async def _versioned(store: Store, ref: UnitRef) -> UnitRef:
    if not await has_changed(store, ref):
        return ref
    version = f"{ref.version}+{ref.code.hex()[:12]}"
    get_log().warning("code changed under an unchanged version", unit=ref.unit, runs_as=version)
    return with_fields(ref, version=version)


def _with_refs(plan: JobPlan, refs: dict[UnitRef, UnitRef]) -> JobPlan:
    def configured(one: Configured[U]) -> Configured[U]:
        return replace(one, ref=refs[one.ref])

    def channel(one: ChannelPlan) -> ChannelPlan:
        return replace(
            one,
            filter=configured(one.filter),
            combiner=configured(one.combiner),
            tabulator=configured(one.tabulator),
            instances=tuple(replace(instance, ref=refs[instance.ref]) for instance in one.instances),
            reactions=tuple(replace(reaction, ref=refs[reaction.ref]) for reaction in one.reactions),
        )

    summaries = tuple(replace(s, summary=configured(s.summary)) for s in plan.summaries)
    return replace(plan, channels=tuple(channel(one) for one in plan.channels), summaries=summaries)
