"""The products of a run: what its summaries make of the newest view of every object."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import TypeVar

import msgspec

from skymesh.errors import UnitFailedError
from skymesh.files import write_whole
from skymesh.jobs.plan import JobPlan, SummaryPlan
from skymesh.model.execution import Line, View
from skymesh.model.ids import DIGEST_SIZE, Digest
from skymesh.model.position import Position
from skymesh.model.run import Product, Run
from skymesh.provenance.journal import Journalist, Stopwatch
from skymesh.runtime.guard import guarded
from skymesh.store.store import Keys, Store
from skymesh.units.unit import ObjectView, ProductFile
from skymesh_local.curves import points_of_view, tabulated
from skymesh_local.report.page import PAGE_NAME
from skymesh_local.settings import STORE_NAME
from skymesh_local.spool import SpooledViews
from skymesh_t3.views import object_view

T = TypeVar("T")


class Names:
    """The names of files in a run's folder, each of which is one maker's.

    Parameters
    ----------
    folder
        The run's folder.
    plan
        The job, whose reactions have folders there.
    store_file
        The store, which may lie there.
    """

    def __init__(self, folder: Path, plan: JobPlan, store_file: Path) -> None:
        self._folder = folder
        self._reactions = {reaction.name for channel in plan.channels for reaction in channel.reactions}
        self._stores = {(folder / STORE_NAME).resolve(), store_file.resolve()}
        self._takers: dict[PurePosixPath, str] = {}

    def take(self, name: str, summary: str) -> Path:
        """Return where a summary writes its file of a name, which is its own from now on.

        Raises
        ------
        ValueError
            If it would lie elsewhere, or over a file of the run or of a summary.
        """
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not path.name:
            raise ValueError(f"a product lies in the run's folder, not at {name!r}")
        if any(part.startswith(".") for part in path.parts) or self._is_reserved(path):
            raise ValueError(f"{name!r} is kept for the run's own files")
        if path in self._takers:
            raise ValueError(f"{name!r} was already made by {self._takers[path]}")
        self._takers[path] = summary
        return self._folder / path

    def _is_reserved(self, path: PurePosixPath) -> bool:
        """Return whether a name is the page's, in a reaction's folder, or the store's or a file beside it."""
        first = (self._folder / path.parts[0]).resolve()
        is_store = any(
            first in {store, store.with_name(f"{store.name}.cutouts")}
            or str(first).startswith(f"{store}-")  # SQLite's own: -wal, -shm, -journal
            for store in self._stores
        )
        return is_store or path.parts[0] in {PAGE_NAME, *self._reactions}


async def write_products(
    store: Store, run: Run, plan: JobPlan, names: Names, views: SpooledViews
) -> tuple[str, ...]:
    """Write what every summary of the job makes into the run's folder; return the files' names.

    Each file appears whole or not at all, and is the same however often it is written.

    Raises
    ------
    OutletUnavailableError
        If the folder cannot be written.
    UnitFailedError
        If a summary fails.
    """
    made: list[str] = []
    for summary in plan.summaries:
        watch = Stopwatch()
        products = await _products(store, run, plan, summary, names, views)
        lines = [Line(summary.name, "", (product.name,), "ok") for product in products]
        journalist = Journalist(run.id, "t3", 0, 0, 0)
        ref = summary.summary.ref
        seconds, cpu_s = watch.seconds(), watch.cpu_s()
        entry = journalist.entry("", summary.name, ref, lines, watch.started_utc, seconds, cpu_s=cpu_s)
        await store.write([*products, entry])
        made += [product.name for product in products]
    return tuple(made)


async def newest_views(store: Store, run: Digest, channels: Iterable[str]) -> AsyncIterator[ObjectView]:
    """Yield each channel's newest view of every stock, by channel and stock."""
    for channel in sorted(channels):
        newest: View | None = None
        async for view in store.scan(View, run=run, channel=channel):
            if newest is not None and newest.stock != view.stock:
                yield await _with_results(store, newest)
            newest = view
        if newest is not None:
            yield await _with_results(store, newest)


async def _with_results(store: Store, view: View) -> ObjectView:
    ids = frozenset(id_ for id_, _ in view.results.values())
    found = await store.read(_NO_LOG, Keys(results=ids, until=Position(0, 0, 0)))
    return object_view(view, found.results)


_NO_LOG = Digest(bytes(DIGEST_SIZE))


async def _products(
    store: Store, run: Run, plan: JobPlan, summary: SummaryPlan, names: Names, views: SpooledViews
) -> list[Product]:
    own = views.of(summary.channels)
    unit = summary.summary.unit
    asked = _told(summary, lambda: frozenset((view.channel, view.stock) for view in unit.with_curve(own)))
    if not asked:
        return _told(summary, functools.partial(_write, run, summary, own, names))
    with SpooledViews() as drawn:
        await drawn.fill(_with_curves(store, plan, own, asked))
        return _told(summary, functools.partial(_write, run, summary, drawn.of(summary.channels), names))


async def _with_curves(
    store: Store, plan: JobPlan, views: Iterable[ObjectView], asked: frozenset[tuple[str, str]]
) -> AsyncIterator[ObjectView]:
    for view in views:
        if (view.channel, view.stock) in asked:
            points = await points_of_view(store, view)
            yield msgspec.structs.replace(view, curve=tabulated(plan, view.channel, points))
        else:
            yield view


def _told(summary: SummaryPlan, call: Callable[[], T]) -> T:
    """Return what a summary says; what it raises ends the run in one line."""
    said, problem = guarded(call)
    if said is None:
        raise UnitFailedError(problem, where=f"summarise.{summary.name}")
    return said


def _write(run: Run, summary: SummaryPlan, views: Iterable[ObjectView], names: Names) -> list[Product]:
    labels = tuple(sorted(summary.labels))
    made = summary.summary.unit.summarise(summary.name, views)
    return [_written(run, product, names.take(product.name, summary.name), labels) for product in made]


def _written(run: Run, product: ProductFile, path: Path, labels: tuple[str, ...]) -> Product:
    return Product(run.id, product.name, *write_whole(path, product.content), labels)
