"""Making the keyspace and its tables, and knowing them again."""

from __future__ import annotations

from collections.abc import Mapping

from skymesh.errors import InvariantError, SettingsError
from skymesh.model.ids import digest_of
from skymesh.settings.store import CassandraSettings
from skymesh.store.cassandra.connection import Connection, parse_address
from skymesh.store.cassandra.layout import KINDS, layout_of
from skymesh.store.consistency import refuse_unsafe
from skymesh.telemetry.logs import get_log

VERSION = 3
"""Version of the layout; a store of another one is refused."""

_MOST_COPIES = 3
_MADE_BY = "`skymesh store init` makes it"
_TABLE = "CREATE TABLE IF NOT EXISTS layout (id text PRIMARY KEY, version int, fingerprint text)"
_LOG_IS_SYNCED = "SELECT value FROM system_views.settings WHERE name = 'commitlog_sync'"
_IS_THERE = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s AND table_name = 'layout'"
_READ = "SELECT version, fingerprint FROM layout WHERE id = 'store'"
_WRITE = "INSERT INTO layout (id, version, fingerprint) VALUES ('store', %s, %s)"


def statements() -> list[str]:
    """Return the statements that make the tables, in the keyspace that is in use."""
    return [statement for kind in KINDS for statement in layout_of(kind).create()]


def fingerprint() -> str:
    """Return a digest of the tables, which tells two layouts apart."""
    return digest_of("digest", statements()).hex()


async def init_store(url: str, settings: CassandraSettings) -> None:
    """Make the keyspace and its tables. What is there already stays, so it may be done again, and by many.

    The last thing that is written is the version: a store that was begun and not finished is none.

    Raises
    ------
    SettingsError
        If the address, the credentials or the consistency will not do, if the keyspace keeps other
        numbers of copies than the settings ask for, or if the store there is of another version.
    StoreUnavailableError
        If nodes do not answer.
    """
    connection = await Connection(parse_address(url), settings).open()
    try:
        await _make_keyspace(connection)
        await connection.change_schema(_TABLE)
        if not await _has_layout(connection):
            for statement in statements():
                await connection.change_schema(statement)
            await connection.run(_WRITE, (VERSION, fingerprint()))
    finally:
        await connection.close()


async def check_store(connection: Connection) -> None:
    """Take a keyspace into use, if it is a store of this version whose reads meet its writes.

    Raises
    ------
    SettingsError
        If it is not.
    StoreUnavailableError
        If nodes do not answer.
    """
    copies = await connection.copies()
    if copies is None:
        raise SettingsError(f"there is no such keyspace: {_MADE_BY}", where=str(connection.address))
    _refuse_unsafe(connection, copies)
    await connection.use_keyspace()
    if not await _has_layout(connection):
        raise SettingsError(f"there is no store in this keyspace: {_MADE_BY}", where=str(connection.address))


async def _make_keyspace(connection: Connection) -> None:
    copies, wanted = await connection.copies(), _wanted_copies(connection)
    if copies is not None and connection.settings.replication is not None and copies != wanted:
        raise SettingsError(
            f"the keyspace keeps {_told(copies)}, not {_told(wanted)}: alter it in Cassandra and repair it",
            where="SKYMESH_STORE_REPLICATION",
        )
    _refuse_unsafe(connection, copies or wanted)
    await _warn_of_loss(connection, copies or wanted)
    options = ", ".join(f"'{datacentre}': {number}" for datacentre, number in sorted(wanted.items()))
    # Asked for even if it is listed: somebody may be making it, and this waits until it is there.
    await connection.change_schema(
        f"CREATE KEYSPACE IF NOT EXISTS {connection.address.keyspace}"
        f" WITH replication = {{'class': 'NetworkTopologyStrategy', {options}}}"
    )
    await connection.use_keyspace()


def _wanted_copies(connection: Connection) -> dict[str, int]:
    """Return how many copies each datacentre is to keep."""
    nodes, asked = connection.nodes_by_datacentre(), connection.settings.replication
    if asked is None:
        return {datacentre: min(_MOST_COPIES, number) for datacentre, number in nodes.items()}
    wanted = dict.fromkeys(nodes, asked[""]) if "" in asked else asked
    for datacentre, number in wanted.items():
        if number > nodes.get(datacentre, 0):
            raise SettingsError(
                f"{number} copies are asked for in {datacentre}, which has {nodes.get(datacentre, 0)} nodes",
                where="SKYMESH_STORE_REPLICATION",
            )
    return wanted


def _refuse_unsafe(connection: Connection, copies: Mapping[str, int]) -> None:
    settings = connection.settings
    refuse_unsafe(settings.read_consistency, settings.write_consistency, copies, connection.datacentre)


async def _warn_of_loss(connection: Connection, copies: Mapping[str, int]) -> None:
    """Say it if what was acknowledged is lost with the only node that has it."""
    if copies[connection.datacentre] > 1:
        return
    try:
        rows = await connection.run(_LOG_IS_SYNCED)
    except SettingsError:
        # Who may not look at the settings of nodes may still use the store.
        return
    if ("periodic",) in rows:
        get_log().warning(
            "there is one copy of each row, and a node that is killed loses what it acknowledged in the last"
            " 0.1 s: keep three copies, or set commitlog_sync to batch or group in cassandra.yaml",
            store=str(connection.address),
        )


def _told(copies: Mapping[str, int]) -> str:
    return ", ".join(f"{datacentre}={number}" for datacentre, number in sorted(copies.items()))


async def _has_layout(connection: Connection) -> bool:
    """Return whether the keyspace has been made a store, and refuse one of another version."""
    if not await connection.run(_IS_THERE, (connection.address.keyspace,)):
        return False
    try:
        rows = await connection.run(_READ)
    except InvariantError:
        # Somebody makes it at this moment: it is listed before it can be read.
        return False
    if not rows:
        return False
    version, known = rows[0]
    if version != VERSION:
        raise SettingsError(
            f"its layout is version {version}, this program's is {VERSION}", where=str(connection.address)
        )
    if known != fingerprint():
        raise SettingsError(
            f"its tables are not those of version {VERSION} (fingerprint {known}, not {fingerprint()})",
            where=str(connection.address),
        )
    return True
