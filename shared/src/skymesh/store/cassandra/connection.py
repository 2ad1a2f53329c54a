"""Reaching a Cassandra cluster: addresses, encryption, credentials, and one session."""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from cassandra import ConsistencyLevel
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.connection import DefaultEndPoint
from cassandra.policies import DCAwareRoundRobinPolicy, ExponentialReconnectionPolicy, TokenAwarePolicy
from cassandra.query import tuple_factory

from skymesh.errors import InvariantError, SettingsError
from skymesh.settings.store import CassandraSettings, Consistency
from skymesh.store.cassandra.errors import mesh_errors

_SCHEME = "cassandra://"
_HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[^\[\]:/@\s]+)(:(?P<port>[0-9]{1,5}))?")
_KEYSPACE = re.compile(r"[a-z][a-z0-9_]{0,47}")
_PORT = 9042
_FORM = "a store on Cassandra is given as cassandra://host:port[,host:port…]/keyspace"
# The newest version spends half as much again of a client's time, on checksums of what TCP has checked.
_PROTOCOL = 4
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 3.0
_PAGE_ROWS = 500
_SCHEMA_S = 60.0
"""How long a change of the schema may take at least: nodes write it down before they answer, and agree."""

# Without a handler of its own Python prints the driver's warnings, tracebacks and all, to the terminal.
logging.getLogger("cassandra").addHandler(logging.NullHandler())


class Address(NamedTuple):
    """Where a store is: nodes to begin with, and the keyspace."""

    nodes: tuple[tuple[str, int], ...]
    keyspace: str

    def __str__(self) -> str:
        return f"{_SCHEME}{','.join(f'{name}:{port}' for name, port in self.nodes)}/{self.keyspace}"


def parse_address(url: str) -> Address:
    """Return what a store URL says.

    Raises
    ------
    SettingsError
        If it is none of Cassandra's; a line that never repeats what may be a password.
    """
    if "@" in url:
        raise SettingsError(
            "user and password are no part of a store's address: set SKYMESH_STORE_USER and"
            " SKYMESH_STORE_PASSWORD or SKYMESH_STORE_PASSWORD_FILE",
            where=_SCHEME,
        )
    nodes, slash, keyspace = url.removeprefix(_SCHEME).partition("/")
    hosts = [_HOST.fullmatch(node) for node in nodes.split(",")]
    if not url.startswith(_SCHEME) or not slash or not all(hosts):
        raise SettingsError(_FORM, where=url)
    if not _KEYSPACE.fullmatch(keyspace):
        raise SettingsError(
            "a keyspace is a small letter, then up to 47 small letters, digits and _", where=url
        )
    found = tuple((host["name"].strip("[]"), int(host["port"] or _PORT)) for host in hosts if host)
    if not all(0 < port < 2**16 for _, port in found):
        raise SettingsError("a port is a number from 1 to 65535", where=url)
    return Address(found, keyspace)


class Connection:
    """An open session with a cluster.

    It finds nodes that come and go by itself, and asks those of the local datacentre that have the
    rows.

    Parameters
    ----------
    address
        Where.
    settings
        How.
    """

    def __init__(self, address: Address, settings: CassandraSettings) -> None:
        self.address = address
        self.settings = settings
        self._cluster = _cluster_of(address, settings)
        self.session: Any = None

    async def open(self) -> Connection:
        """Connect.

        Raises
        ------
        SettingsError
            If the credentials, the address or a certificate are refused.
        StoreUnavailableError
            If no node answers.
        """
        try:
            with mesh_errors(str(self.address)):
                self.session = await asyncio.to_thread(self._cluster.connect)
        except BaseException:
            await self.close()
            self._refuse_unknown_datacentre()
            raise
        self.session.default_fetch_size = _PAGE_ROWS
        return self

    def _refuse_unknown_datacentre(self) -> None:
        """Refuse a datacentre that a cluster which answers does not have."""
        known = self.nodes_by_datacentre()
        if known and self.datacentre not in known:
            raise SettingsError(
                f"the cluster has no datacentre {self.datacentre}, but {', '.join(sorted(known))}",
                where="SKYMESH_STORE_LOCAL_DATACENTRE",
            )

    async def close(self) -> None:
        """Disconnect."""
        await asyncio.to_thread(self._cluster.shutdown)

    async def run(
        self, statement: str, values: tuple[Any, ...] = (), *, timeout_s: float | None = None
    ) -> list[tuple[Any, ...]]:
        """Run one statement that is not prepared; for what is done once.

        Parameters
        ----------
        statement, values
            What.
        timeout_s
            How long it may take, in seconds; None for what the settings say.

        Raises
        ------
        SettingsError
            If the user may not do this.
        StoreUnavailableError
            If no node answers.
        """
        limit_s = self.settings.timeout_s if timeout_s is None else timeout_s
        with mesh_errors(str(self.address)):
            return list(await asyncio.to_thread(self._execute, statement, values, limit_s))

    async def change_schema(self, statement: str) -> None:
        """Run one statement that makes, alters or drops something, as `run` does."""
        await self.run(statement, timeout_s=max(_SCHEMA_S, self.settings.timeout_s))

    def _execute(self, statement: str, values: tuple[Any, ...], timeout_s: float) -> Any:
        return self.session.execute(statement, values, timeout=timeout_s, host=self._first_node())

    async def use_keyspace(self) -> None:
        """Have statements mean the tables of the address's keyspace.

        Raises
        ------
        SettingsError
            If it is not there (yet: it is listed before it can be used).
        StoreUnavailableError
            If no node answers.
        """
        try:
            with mesh_errors(str(self.address)):
                await asyncio.to_thread(self.session.set_keyspace, self.address.keyspace)
        except InvariantError:
            raise SettingsError("there is no such keyspace", where=str(self.address)) from None

    def _first_node(self) -> Any:
        """Return the node that every client asks for changes of the schema: there they come in turn."""
        nodes = [node for node in self._cluster.metadata.all_hosts() if node.datacenter == self.datacentre]
        return min((node for node in nodes if node.is_up), key=lambda node: str(node.host_id), default=None)

    async def prepare(self, statement: str, consistency: Consistency) -> Any:
        """Return a prepared statement; its ``{keyspace}`` is that of the address.

        Raises
        ------
        StoreUnavailableError
            If no node answers.
        """
        with mesh_errors(str(self.address)):
            named = statement.replace("{keyspace}", self.address.keyspace)
            prepared = await asyncio.to_thread(self.session.prepare, named)
        prepared.consistency_level = getattr(ConsistencyLevel, consistency)
        # Whatever is written is a function of its key: to try again does no harm.
        prepared.is_idempotent = True
        return prepared

    @property
    def datacentre(self) -> str:
        """The datacentre whose nodes are asked."""
        if self.settings.local_datacentre:
            return self.settings.local_datacentre
        nodes = self._cluster.metadata.all_hosts()
        given = set(self._cluster.endpoints_resolved)
        own = [node.datacenter for node in nodes if node.endpoint in given]
        return str(own[0]) if own else ""

    def nodes_by_datacentre(self) -> dict[str, int]:
        """Return how many nodes each datacentre has."""
        nodes = self._cluster.metadata.all_hosts()
        # A node that never answered is known by its address alone.
        return dict(Counter(str(node.datacenter) for node in nodes if node.datacenter))

    async def copies(self) -> dict[str, int] | None:
        """Return the copies that the keyspace keeps in each datacentre; None if there is no keyspace.

        Raises
        ------
        SettingsError
            If its replication is of a kind that does not say so.
        StoreUnavailableError
            If no node answers.
        """
        rows = await self.run(
            "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = %s",
            (self.address.keyspace,),
        )
        return self._copies(dict(rows[0][0])) if rows else None

    def _copies(self, replication: Mapping[str, str]) -> dict[str, int]:
        options = dict(replication)
        kind = options.pop("class").rpartition(".")[2]
        if kind == "SimpleStrategy":
            return {self.datacentre: _full(options["replication_factor"])}
        if kind == "NetworkTopologyStrategy":
            return {datacentre: _full(number) for datacentre, number in options.items()}
        raise SettingsError(f"a keyspace that is kept by {kind} is none of ours", where=str(self.address))


def _full(copies: str) -> int:
    """Return the number of full copies: ``3/1`` keeps one of three in passing."""
    number, _, transient = copies.partition("/")
    return int(number) - int(transient or 0)


def _cluster_of(address: Address, settings: CassandraSettings) -> Any:
    policy = TokenAwarePolicy(DCAwareRoundRobinPolicy(settings.local_datacentre))
    profile = ExecutionProfile(
        load_balancing_policy=policy,
        row_factory=tuple_factory,
        request_timeout=settings.timeout_s,
        consistency_level=ConsistencyLevel.QUORUM,
    )
    with mesh_errors(str(address)):
        return Cluster(
            [DefaultEndPoint(name, port) for name, port in address.nodes],
            port=address.nodes[0][1],
            auth_provider=_credentials(settings),
            ssl_context=_tls_context(settings),
            protocol_version=_PROTOCOL,
            execution_profiles={EXEC_PROFILE_DEFAULT: profile},
            reconnection_policy=ExponentialReconnectionPolicy(
                _FIRST_PAUSE_S, _LONGEST_PAUSE_S, max_attempts=None
            ),
            connect_timeout=settings.timeout_s,
            control_connection_timeout=settings.timeout_s,
        )


def _credentials(settings: CassandraSettings) -> PlainTextAuthProvider | None:
    return PlainTextAuthProvider(settings.user, settings.secret()) if settings.user else None


def _tls_context(settings: CassandraSettings) -> ssl.SSLContext | None:
    context = settings.tls_context()
    if context is not None:
        # Nodes are known by their addresses, which certificates seldom name.
        context.check_hostname = False
    return context
