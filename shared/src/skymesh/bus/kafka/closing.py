"""Closing clients of Kafka, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeAlias

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

Client: TypeAlias = AIOKafkaConsumer | AIOKafkaProducer | AIOKafkaAdminClient | AIOKafkaClient

_PATIENCE_S = 30.0
_CUT_S = 5.0
# One that is stopped as soon as it was started, or that has no broker, ends with the cancellation of its own
# tasks, and leaves the rest of it open.
_UNCLEAN = (KafkaError, KeyError, TimeoutError, asyncio.CancelledError)


async def to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Do something that must not be left half done: whoever is cancelled meanwhile is so after it.

    A member of a group that is not closed is one still: it tells the group that it is alive for as long as
    the process runs, and is given partitions that nobody reads then.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        # What it ended with does not matter any more, and the event loop would complain of it.
        _ = task.cancelled() or task.exception()
        raise cancelled
    task.result()


async def end(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks and wait for their end, whatever it is."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        # The event loop would complain of what nobody has asked for.
        _ = task.cancelled() or task.exception()


async def close(client: Client, *, patience_s: float = _PATIENCE_S) -> None:
    """Close a client to the end, whatever state it and its cluster are in.

    Parameters
    ----------
    client
        The client.
    patience_s
        How long it may take to end what it has begun, in seconds.
    """
    await to_the_end(_close(client, patience_s))


async def _close(client: Client, patience_s: float) -> None:
    ending = client.stop() if isinstance(client, AIOKafkaConsumer | AIOKafkaProducer) else client.close()
    with suppress(*_UNCLEAN):
        async with asyncio.timeout(patience_s):
            await ending
            return
    with suppress(*_UNCLEAN):
        async with asyncio.timeout(_CUT_S):
            await _cut(client)


async def _cut(client: Client) -> None:
    """Have a client say nothing any more that did not end by itself; there is no public way."""
    coordinator, sender = getattr(client, "_coordinator", None), getattr(client, "_sender", None)
    tasks = [
        getattr(coordinator, name, None)
        for name in ("_coordination_task", "_heartbeat_task", "_commit_refresh_task")
    ]
    for task in (*tasks, getattr(sender, "sender_task", None)):
        if task is not None:
            task.cancel()
    connections = getattr(client, "_client", None) or getattr(client, "client", client)
    if isinstance(connections, AIOKafkaClient):
        await connections.close()
