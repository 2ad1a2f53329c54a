"""The jobs of a live mesh: planned again from what `deploy` stored, and refused if they are not the same."""

from __future__ import annotations

from collections.abc import Iterable

from skymesh.errors import InvariantError, JobError, SettingsError
from skymesh.jobs.deployed import Deployed
from skymesh.jobs.outlets import ALL_GRANTED
from skymesh.jobs.plan import JobPlan, plan_job
from skymesh.jobs.spec import JobSpec
from skymesh.model.execution import UnitRef
from skymesh.model.ids import Digest, text_id
from skymesh.model.run import JobRecord, Run
from skymesh.runtime.compute import Compute, compute_here
from skymesh.runtime.registering import has_changed
from skymesh.store.store import Store


class StoredJobs:
    """Loads the job of a run when it is met first.

    Parameters
    ----------
    store
        Where `deploy` stored it.
    compute
        Where plans are made: units are imported and their sources parsed, which wants one thread alone.
    """

    def __init__(self, store: Store, compute: Compute = compute_here) -> None:
        self._store = store
        self._compute = compute
        self._known: dict[Digest, Deployed] = {}

    async def load(self, run: Digest) -> Deployed:
        """Return the job of a run.

        Raises
        ------
        InvariantError
            If it is not in the store.
        SettingsError
            If the units that are installed here are not those that it was deployed with.
        """
        if run not in self._known:
            self._known[run] = await self._load(run)
        return self._known[run]

    async def _load(self, run_id: Digest) -> Deployed:
        run = await self._store.get(Run, id=run_id)
        record = None if run is None else await self._store.get(JobRecord, id=run.job)
        if run is None or record is None:
            raise InvariantError("is at work and not in the store", where=text_id("run", run_id))
        plan = await self._compute(_planned, record)
        changed = await changed_units(self._store, (ref for ref, _ in plan.units()))
        if changed:
            raise SettingsError(
                f"its code here is not what it was deployed with: {', '.join(changed)}", where=record.name
            )
        return Deployed(run.id, run.origin, plan)


async def changed_units(store: Store, refs: Iterable[UnitRef]) -> list[str]:
    """Return the units, with versions, under which the store knows other code."""
    return [f"{ref.unit} {ref.version}" for ref in dict.fromkeys(refs) if await has_changed(store, ref)]


def _planned(record: JobRecord) -> JobPlan:
    try:
        plan = plan_job(JobSpec.model_validate(record.spec), record.name, outlets=ALL_GRANTED)
    except JobError as error:
        raise SettingsError(f"a deployed job cannot be run here: {error}", where=record.name) from None
    if plan.id != record.id:
        raise SettingsError(
            "a deployed job is another one here: units or catalogues are not those that it was deployed with",
            where=record.name,
        )
    return plan
