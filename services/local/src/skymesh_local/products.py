"""The products of a run: what its summaries make of the newest view of every object."""

from __future__ import annotations

import functools
import hashlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import IO

from skymesh.codecs import wire
from skymesh.errors import StoreUnavailableError, UnitFailedError
from skymesh.jobs.plan import JobPlan, SummaryPlan
from skymesh.model.execution import Line, View
from skymesh.model.ids import DIGEST_SIZE, Digest
from skymesh.model.position import Position
from skymesh.model.run import Product, Run
from skymesh.provenance.journal import Journalist, Stopwatch
from skymesh.runtime.guard import guarded
from skymesh.store.store import Keys, Store
from skymesh.units.unit import ObjectView, ProductFile
from skymesh_t3.views import object_view

SIZE_BYTES = 4


class SpooledViews:
    """Views in a temporary file, to be gone through as often as a summary likes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    async def fill(self, views: AsyncIterator[ObjectView]) -> None:
        """Take in views."""
        async for view in views:
            encoded = wire.encode(view)
            self._file.write(len(encoded).to_bytes(SIZE_BYTES, "big") + encoded)

    def __iter__(self) -> Iterator[ObjectView]:
        """Go through the views from the first; one iteration at a time."""
        self._file.seek(0)
        while size := self._file.read(SIZE_BYTES):
            yield wire.decode(self._file.read(int.from_bytes(size, "big")), ObjectView)


async def write_products(store: Store, run: Run, plan: JobPlan, folder: Path) -> tuple[str, ...]:
    """Write what every summary of the job makes into the run's folder; return the files' names.

    Each file appears whole or not at all, and is the same however often it is written.

    Raises
    ------
    StoreUnavailableError
        If the folder cannot be written.
    UnitFailedError
        If a summary fails.
    """
    names: list[str] = []
    for summary in plan.summaries:
        watch = Stopwatch()
        with tempfile.TemporaryFile() as file:
            views = SpooledViews(file)
            await views.fill(newest_views(store, run.id, summary.channels))
            products, problem = guarded(functools.partial(_write, run, summary, views, folder))
        if products is None:
            raise UnitFailedError(problem, where=f"summarise.{summary.name}")
        lines = [Line(summary.name, "", (product.name,), "ok") for product in products]
        journalist = Journalist(run.id, "t3", 0, 0, 0)
        ref = summary.summary.ref
        entry = journalist.entry("", summary.name, ref, lines, watch.started_utc, watch.seconds())
        await store.write([*products, entry])
        names += [product.name for product in products]
    return tuple(names)


async def newest_views(store: Store, run: Digest, channels: tuple[str, ...]) -> AsyncIterator[ObjectView]:
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
    found = await store.read(_NO_LOG, view.run, Keys(results=ids, until=Position(0, 0, 0)))
    return object_view(view, found.results)


_NO_LOG = Digest(bytes(DIGEST_SIZE))


def _write(run: Run, summary: SummaryPlan, views: SpooledViews, folder: Path) -> list[Product]:
    return [_written(run, product, folder) for product in summary.summary.unit.summarise(summary.name, views)]


def _written(run: Run, product: ProductFile, folder: Path) -> Product:
    """Write a product beside its place and move it there."""
    target, part = folder / product.name, folder / f".{product.name}.part"
    digest, size = hashlib.blake2b(digest_size=DIGEST_SIZE), 0
    try:
        with part.open("wb") as stream:
            for piece in product.content:
                digest.update(piece)
                size += len(piece)
                stream.write(piece)
        part.replace(target)
    except OSError as error:
        raise StoreUnavailableError(f"cannot be written: {error.strerror}", where=str(target)) from None
    return Product(run.id, product.name, Digest(digest.digest()), size)
