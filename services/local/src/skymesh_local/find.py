"""Finding runs, logs, and what channels may see, in a store."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from skymesh.errors import NotFoundError, SettingsError
from skymesh.model.access import Labels
from skymesh.model.deployment import Deployment, Epoch
from skymesh.model.ids import Digest
from skymesh.model.run import JobRecord, Log, Run
from skymesh.store.store import Store


async def find_run(store: Store, name: str, *, is_on: bool = True) -> Run:
    """Return a run by its id (or the beginning of it), its name or its job; without one, the only run.

    Parameters
    ----------
    store, name
        Where, and which.
    is_on
        Of several runs of a job in a live mesh, its name means the one that is switched on.

    Raises
    ------
    SettingsError
        If there is none, or several to choose from.
    """
    runs = [run async for run in store.scan(Run)]
    wanted = name.removeprefix("run:")
    found = [
        run for run in runs if not name or run.id.hex().startswith(wanted) or name in {run.name, run.job_name}
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        raise NotFoundError(f"no such run; {_named(runs)}" if runs else "the store has no run", where=name)
    on = {row.runs[-1] async for row in store.scan(Deployment) if row.runs}
    switched_on = [run for run in found if run.id in on]
    if is_on and len(switched_on) == 1 and all(run.job_name == name for run in found):
        return switched_on[0]
    raise SettingsError(f"several runs, say which with --run: {_named(found, on)}", where=name)


def _named(runs: Iterable[Run], on: Collection[Digest] = ()) -> str:
    told = (
        (f"run:{run.id.hex()}", [run.job_name, *filter(None, [run.name]), *(["on"] if run.id in on else [])])
        for run in runs
    )
    return ", ".join(f"{id_} ({', '.join(names)})" for id_, names in told)


async def find_logs(store: Store) -> list[Digest]:
    """Return the logs of a store: those of finite sources, and the live one."""
    logs = [log.id async for log in store.scan(Log)] + [epoch.log async for epoch in store.scan(Epoch)]
    return list(dict.fromkeys(logs))


async def find_grants(store: Store, channel: str) -> tuple[str, Labels]:
    """Return a channel's full name and what it may see.

    Where jobs of one name granted it different labels, only what all of them granted.

    Raises
    ------
    SettingsError
        If there is no such channel, or several of that short name.
    """
    grants: dict[str, Labels] = {}
    async for job in store.scan(JobRecord):
        for name, spec in job.resolved["channels"].items():
            if name == channel or name.rpartition("/")[2] == channel:
                labels = frozenset(spec["access"])
                grants[name] = grants.get(name, labels) & labels
    if len(grants) == 1:
        return next(iter(grants.items()))
    if not grants:
        raise NotFoundError("no job in the store has such a channel", where=channel)
    raise SettingsError(f"several channels, say which: {', '.join(sorted(grants))}", where=channel)
