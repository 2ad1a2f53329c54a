"""Opening what a URL names: an embedded mesh in a file, or a live one on servers.

The clients of Kafka and Cassandra are loaded for live ones alone: the others open fast.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from skymesh.bus.bus import Bus
from skymesh.errors import SettingsError
from skymesh.model.run import Run
from skymesh.runtime.tier import Context
from skymesh.store.store import Store
from skymesh_local.app import open_embedded

if TYPE_CHECKING:
    from skymesh.runtime.live import LiveMesh

_SQLITE, _CASSANDRA = "sqlite", "cassandra"


class Mesh(Protocol):
    """An open mesh to be read."""

    @property
    def store(self) -> Store:
        """Where its documents are."""

    @property
    def bus(self) -> Bus:
        """Where its topics are."""

    async def context(self, run: Run) -> Context:
        """Return whose work the tiers do that do the work of a run."""


@dataclass(frozen=True)
class OnServers:
    """A live mesh, as those see it who read in it."""

    live: LiveMesh

    @property
    def store(self) -> Store:
        """Where its documents are."""
        return self.live.store

    @property
    def bus(self) -> Bus:
        """Where its topics are."""
        return self.live.bus

    async def context(self, run: Run) -> Context:  # noqa: ARG002  # the same for all runs
        """Return whose work the tiers do: that of all runs of the log."""
        return self.live.context


@asynccontextmanager
async def open_mesh(url: str) -> AsyncIterator[Mesh]:
    """Open the mesh whose store is at a URL; the Kafka of a live one is found through the environment.

    Raises
    ------
    SettingsError
        If the URL is none, or there is no mesh.
    TransientError
        If servers do not answer.
    """
    if scheme_of(url) == _CASSANDRA:
        from skymesh.runtime.live import live_mesh

        async with live_mesh(url) as live:
            yield OnServers(live)
        return
    embedded = open_embedded(store_path(url), must_exist=True)
    try:
        yield embedded
    finally:
        await embedded.close()


@asynccontextmanager
async def open_store(url: str) -> AsyncIterator[Store]:
    """Open the store at a URL.

    Raises
    ------
    SettingsError
        If the URL is none, or there is no store.
    StoreUnavailableError
        If it does not answer.
    """
    if scheme_of(url) == _CASSANDRA:
        from skymesh.settings.environment import from_environment
        from skymesh.settings.store import CassandraSettings
        from skymesh.store.cassandra import store as cassandra

        store: Store = await cassandra.open_store(url, from_environment(CassandraSettings))
    else:
        store = open_embedded(store_path(url), must_exist=True).store
    try:
        yield store
    finally:
        await store.close()


def scheme_of(url: str) -> str:
    """Return what kind of store a URL is of.

    Raises
    ------
    SettingsError
        If it is of none.
    """
    scheme, _, place = url.partition(":")
    if scheme not in {_SQLITE, _CASSANDRA} or not place:
        raise SettingsError(
            "a store is given as sqlite:PATH or cassandra://host:port/keyspace", where=url or "--store"
        )
    return scheme


def store_path(url: str) -> Path:
    """Return the file of an embedded store.

    Raises
    ------
    SettingsError
        If the URL is of another kind.
    """
    if scheme_of(url) != _SQLITE:
        raise SettingsError("an embedded mesh keeps its store in a file: sqlite:PATH", where=url)
    return Path(url.partition(":")[2])
