"""Settling the executions of a batch: the remembered, the missing, and those that must run."""

from __future__ import annotations

import functools
from collections import ChainMap
from collections.abc import Mapping

from skymesh.errors import UnitTimeoutError
from skymesh.jobs.plan import Instance
from skymesh.model.execution import InputEntry, Line, Result, content_digest, execution_id
from skymesh.model.ids import Digest, text_id
from skymesh.runtime.execute import Executor, Finished, Task
from skymesh.runtime.guard import alarms, guarded
from skymesh.units.wiring import InputKind
from skymesh_t2.inputs import StateMaterial, arguments, missing
from skymesh_t2.pool import Pool
from skymesh_t2.sites import Site


class Settler:
    """Settles executions, each id once.

    Parameters
    ----------
    found
        Results in the store under ids that may come up.
    executor
        What runs units.
    pool
        Which executions are settled here.
    """

    def __init__(self, found: dict[Digest, Result], executor: Executor, pool: Pool) -> None:
        self._found = found
        self._executor = executor
        self._pool = pool
        self._settled: dict[Digest, Result] = {}
        self._differs: dict[Digest, str] = {}
        self._cpu_s: dict[Digest, float] = {}
        # What was settled here goes before what the store had.
        self._results = ChainMap(self._settled, found)
        self.fresh: list[Result] = []

    def settle(self, sites: list[Site]) -> None:
        """Settle every analyser of the pool on every site, but those that wait for another pool."""
        here = [(site, i) for site in sites for i in site.channel.instances if self._pool.runs(i)]
        depth = max((instance.level for _, instance in here), default=-1)
        with alarms():
            for level in range(depth + 1):
                due = [(site, i) for site, i in here if i.level == level and site.is_due(i)]
                self._settle_level(due)

    def _settle_level(self, due: list[tuple[Site, Instance]]) -> None:
        ids: list[Digest] = []
        first_for: dict[Digest, tuple[Site, Instance, dict[str, InputEntry]]] = {}
        for site, instance in due:
            inputs = site.entries(instance)
            id_ = execution_id(instance.ref, inputs)
            ids.append(id_)
            if id_ not in self._settled and id_ not in first_for and not self._is_remembered(id_, instance):
                first_for[id_] = (site, instance, inputs)
        self._run_all(first_for)
        for (site, instance), id_ in zip(due, ids, strict=True):
            result = self._settled[id_]
            site.take(instance, result)
            site.lines[instance.name] = self._line(site, result, is_memoised=id_ not in first_for)
            first_for.pop(id_, None)

    def _is_remembered(self, id_: Digest, instance: Instance) -> bool:
        """Return whether the store's result stands: made by equal code, and not ended from outside."""
        result = self._found.get(id_)
        if result is None or result.is_transient or result.ref.code != instance.ref.code:
            return False
        self._settled[id_] = result
        return True

    def _run_all(self, due: Mapping[Digest, tuple[Site, Instance, dict[str, InputEntry]]]) -> None:
        tasks, unable = [], {}
        for id_, (site, instance, _) in due.items():
            why = missing(instance, _material(site), site.stamps)
            if why:
                unable[id_] = Finished("missing", why, None)
                continue
            tabulator = site.channel.tabulator.unit
            task, problem = guarded(functools.partial(self._task, id_, site, instance), tabulator.deadline_s)
            if task is None:
                is_late = problem.startswith(UnitTimeoutError.__name__)
                unable[id_] = Finished("failed", f"its input: {problem}", None, is_transient=is_late)
            else:
                tasks.append(task)
        ended = unable | dict(zip((t.id for t in tasks), self._executor.run(tasks), strict=True))
        for id_, (site, instance, inputs) in due.items():
            self._cpu_s[id_] = ended[id_].cpu_s
            self._take(self._result(id_, site, instance, inputs, ended[id_]))

    def _task(self, id_: Digest, site: Site, instance: Instance) -> Task:
        random = tuple(w.hint.name for w in instance.wires if w.hint.kind is InputKind.RANDOM)
        given = arguments(instance, site.channel, _material(site), site.stamps, self._results)
        return Task(id_, instance.unit, instance.makes, given, random)

    def _result(
        self, id_: Digest, site: Site, instance: Instance, inputs: dict[str, InputEntry], ended: Finished
    ) -> Result:
        return Result(
            id=id_,
            stock=site.stock,
            ref=instance.ref,
            inputs=inputs,
            outcome=ended.outcome,
            reason=ended.reason,
            content=ended.content,
            digest=ended.digest or content_digest(ended.outcome, ended.content),
            run=site.run,
            position=site.position,
            seconds=ended.seconds,
            is_transient=ended.is_transient,
        )

    def _take(self, result: Result) -> None:
        """Keep a new result, unless the store holds another under its id: the first one stays."""
        earlier = self._found.get(result.id)
        if earlier is None or earlier.is_transient:
            self._settled[result.id] = result
            self.fresh.append(result)
            return
        self._settled[result.id] = earlier
        if earlier.digest != result.digest:
            self._differs[result.id] = (
                f"not reproducible: {result.ref.unit} computed {result.digest.hex()} this time"
            )

    def _line(self, site: Site, result: Result, *, is_memoised: bool) -> Line:
        return Line(
            text_id("state", site.state),
            site.stock,
            (text_id("result", result.id),),
            result.outcome,
            self._differs.get(result.id, result.reason),
            is_memoised,
            0.0 if is_memoised else result.seconds,
            0.0 if is_memoised else self._cpu_s[result.id],
        )


def _material(site: Site) -> StateMaterial:
    if site.material is None:
        raise ValueError("a site to settle needs its points")
    return site.material
