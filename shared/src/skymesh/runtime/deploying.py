"""Switching runs of jobs on and off in a live mesh."""

from __future__ import annotations

from skymesh.bus.bus import Outgoing
from skymesh.codecs import wire
from skymesh.errors import EpochEndedError, NotFoundError, SettingsError
from skymesh.jobs.plan import JobPlan
from skymesh.jobs.pools import named_pools
from skymesh.model.deployment import Deployment, Marker
from skymesh.model.ids import ENCODING_VERSION, Digest
from skymesh.model.run import Run, run_id
from skymesh.runtime.epochs import adding, refuse_ended
from skymesh.runtime.expired import refuse_expired
from skymesh.runtime.live import LiveMesh, make_pools
from skymesh.runtime.registering import register_job
from skymesh.runtime.stored_jobs import changed_units
from skymesh.runtime.switched import switched_on
from skymesh.runtime.topics import ALERTS


async def deploy(mesh: LiveMesh, plan: JobPlan, name: str = "") -> Run:
    """Let a job judge all alerts from now on, in the place of the job of its name that does so now.

    What is needed to run it is stored first. Then one transaction puts its markers into every partition
    of the log: wherever it is interrupted, the same command again makes it whole.

    Parameters
    ----------
    mesh
        The mesh.
    plan
        The job.
    name
        Makes the run apart from others of the same job.

    Raises
    ------
    SettingsError
        If the code of a unit changed under an unchanged version, or something of that run has expired.
    TransientError
        If Kafka or the store does not answer, or the epoch has ended.
    """
    await refuse_ended(mesh.store, mesh.context, adds=True)
    changed = await changed_units(mesh.store, (ref for ref, _ in plan.units()))
    if changed:
        raise SettingsError(
            f"code changed under an unchanged version, raise it: {', '.join(changed)}", where=plan.name
        )
    await make_pools(mesh, named_pools(plan.resolved))
    await register_job(mesh.store, plan)
    id_ = run_id(plan.id, mesh.epoch.log, "real", name)
    run = Run(id_, plan.id, mesh.epoch.log, plan.name, "real", name, ENCODING_VERSION, 0, 0, 0)
    await mesh.store.write([run])
    before = await _at_work(mesh, plan.name)
    await _remember(mesh, plan.name, (*(each for each in before if each != id_), id_))
    # Once it is said that the run may be at work: whoever lets it expire looks for that after saying so.
    try:
        await refuse_expired(mesh.store, id_)
        await refuse_ended(mesh.store, mesh.context, adds=True)
    except (SettingsError, EpochEndedError):
        await _remember(mesh, plan.name, before)
        raise
    off = [Marker(each, "off") for each in before if each != id_]
    await _switch(mesh, [*off, Marker(id_, "on")])
    await _remember(mesh, plan.name, (id_,))
    return run


async def undeploy(mesh: LiveMesh, job: str) -> tuple[Digest, ...]:
    """Let the job of a name judge no more alerts; what it began is completed. Return its runs.

    Raises
    ------
    NotFoundError
        If no job of that name is at work.
    TransientError
        If Kafka or the store does not answer.
    """
    runs = await _at_work(mesh, job)
    if not runs:
        others = ", ".join(sorted(await deployed_runs(mesh))) or "none"
        raise NotFoundError(f"no job of that name is deployed; there are: {others}", where=job)
    await _switch(mesh, [Marker(run, "off") for run in runs])
    await _remember(mesh, job, ())
    return runs


async def deployed_runs(mesh: LiveMesh) -> dict[str, tuple[Digest, ...]]:
    """Return the runs at work, by the name of their job."""
    rows = [row async for row in mesh.store.scan(Deployment, log=mesh.epoch.log)]
    return {row.name: row.runs for row in rows if row.runs}


async def _at_work(mesh: LiveMesh, job: str) -> tuple[Digest, ...]:
    """Return the runs of a job's name that may be at work, the newest last.

    The markers that T0 has read tell of runs that nobody remembers: of two who deployed at once, or one
    whose clock is behind, only the last who wrote is remembered.
    """
    row = await mesh.store.get(Deployment, log=mesh.epoch.log, name=job)
    remembered = () if row is None else row.runs
    on = await switched_on(mesh.store, mesh.epoch)
    others = [run for run in on if run not in remembered]
    known = [await mesh.store.get(Run, id=run) for run in others]
    return (*(run.id for run in known if run is not None and run.job_name == job), *remembered)


async def _remember(mesh: LiveMesh, job: str, runs: tuple[Digest, ...]) -> None:
    await mesh.store.write([Deployment(mesh.epoch.log, job, runs)])


async def _switch(mesh: LiveMesh, markers: list[Marker]) -> None:
    """Put markers into every partition of the log, in one transaction."""
    topic = mesh.context.topic(ALERTS)
    async with adding(mesh.store, mesh.context):
        await mesh.bus.publish(
            [
                Outgoing(topic, "", wire.encode(marker), partition=number)
                for number in range(mesh.epoch.partitions)
                for marker in markers
            ]
        )
