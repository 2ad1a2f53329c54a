"""Clients of one Kafka cluster, and patience with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaConnectionError, KafkaError, NoError

from skymesh.bus.kafka.closing import Client, close
from skymesh.bus.kafka.errors import mesh_error
from skymesh.errors import BrokerUnavailableError
from skymesh.settings.kafka import SERVERS, KafkaSettings

T = TypeVar("T")

PATIENCE_S = 30.0
"""How long a question is asked again while the cluster settles, in seconds."""
MOST_BATCH_BYTES = 512 << 10
"""Size up to which records are published as one: half of what a topic takes by default."""
_MOST_FETCH_BYTES = 4 << 20
_PAUSE_S = 0.1
_METADATA_AGE_S = 20.0


class Cluster:
    """A Kafka cluster as the settings reach it.

    Parameters
    ----------
    settings
        How it is reached.
    variable
        The variable that names its servers, for errors.

    Raises
    ------
    SettingsError
        If a file that they name cannot be read.
    """

    def __init__(self, settings: KafkaSettings, variable: str = SERVERS) -> None:
        self.servers = settings.servers
        self._place = f"{variable}={settings.servers}"
        self._access: dict[str, Any] = {
            "security_protocol": settings.security_protocol,
            "ssl_context": settings.tls_context(),
            "sasl_mechanism": settings.mechanism,
            "sasl_plain_username": settings.user or None,
            "sasl_plain_password": settings.secret() or None,
            "request_timeout_ms": round(settings.timeout_s * 1000),
        }
        self._more: dict[str, Any] = {
            "bootstrap_servers": settings.servers.split(","),
            # A topic that appears or vanishes is noticed within this time.
            "metadata_max_age_ms": round(_METADATA_AGE_S * 1000),
            "client_id": "skymesh",
        }

    def __repr__(self) -> str:
        return f"Cluster({self.servers!r})"

    def consumer(self, *, isolation: str = "read_committed", **more: Any) -> AIOKafkaConsumer:
        """Return a consumer that never moves its offset by itself."""
        return AIOKafkaConsumer(
            isolation_level=isolation,
            auto_offset_reset="none",
            enable_auto_commit=False,
            max_partition_fetch_bytes=_MOST_FETCH_BYTES,
            **self._access,
            **self._more,
            **more,
        )

    def producer(self, transactional_id: str, *, timeout_s: float) -> AIOKafkaProducer:
        """Return a producer of transactions that end by themselves after `timeout_s` seconds."""
        return AIOKafkaProducer(
            transactional_id=transactional_id,
            transaction_timeout_ms=round(timeout_s * 1000),
            max_batch_size=MOST_BATCH_BYTES,
            **self._access,
            **self._more,
        )

    def admin(self) -> AIOKafkaAdminClient:
        """Return a client that makes and describes topics."""
        return AIOKafkaAdminClient(**self._access, **self._more)

    def client(self) -> AIOKafkaClient:
        """Return a client for single requests."""
        return AIOKafkaClient(**self._access, **self._more)

    async def start(self, client: Client, *, patience_s: float = PATIENCE_S) -> None:
        """Start a client; it is closed again if that fails.

        Raises
        ------
        SettingsError
            If Kafka refuses the credentials or its certificate is not trusted.
        BrokerUnavailableError
            If no server answers.
        """
        try:
            async with asyncio.timeout(patience_s):
                await (client.bootstrap() if isinstance(client, AIOKafkaClient) else client.start())
        except (KafkaError, OSError) as error:
            await close(client)
            reason = await self._reason() if isinstance(error, KafkaConnectionError) else error
            raise mesh_error(reason or error, where=self._place) from None
        except (AssertionError, KeyError):
            # A cluster whose brokers have yet to come up, or go down, answers and names none of them.
            await close(client)
            raise BrokerUnavailableError("Kafka: no broker is ready", where=self._place) from None
        except asyncio.CancelledError:
            await close(client)
            raise

    @asynccontextmanager
    async def consuming(self, **more: Any) -> AsyncIterator[AIOKafkaConsumer]:
        """Have a consumer for a while."""
        consumer = self.consumer(**more)
        await self.start(consumer)
        try:
            yield consumer
        finally:
            await close(consumer)

    async def _reason(self) -> BaseException | None:
        """Return why the first server lets nobody in: clients say only that none of them does."""
        host, _, port = self.servers.split(",")[0].rpartition(":")
        try:
            connection = await create_conn(host.strip("[]"), int(port), **self._access)
        except (KafkaError, OSError) as error:
            return error
        connection.close()
        return None


async def patiently(ask: Callable[[], Awaitable[T]], *, where: str, patience_s: float = PATIENCE_S) -> T:
    """Ask the cluster, again while it says that it cannot answer yet.

    Raises
    ------
    MeshError
        What its last answer stands for.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + patience_s
    while True:
        try:
            async with asyncio.timeout_at(end):
                return await ask()
        except (KafkaError, OSError, KeyError) as error:
            # The client takes an error of one partition for none at all, and forgets a connection twice.
            is_passing = isinstance(error, NoError | KeyError) or getattr(error, "retriable", False)
            if not is_passing or loop.time() + _PAUSE_S > end:
                raise mesh_error(error, where=where) from error
        await asyncio.sleep(_PAUSE_S)
