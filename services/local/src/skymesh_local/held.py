"""Reactions that are held back: finding them, and what a person decides about them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Literal

from msgspec.structs import replace

from skymesh.bus.bus import Bus, Outgoing
from skymesh.codecs import wire
from skymesh.errors import NotFoundError, SettingsError
from skymesh.model.ids import Digest, text_id
from skymesh.model.reaction import Held, Receipt
from skymesh.model.records import Intended
from skymesh.runtime.epochs import adding
from skymesh.runtime.tier import Context
from skymesh.runtime.topics import INTENTS
from skymesh.store.store import Store

Decision = Literal["released", "dropped"]
ContextOf = Callable[[Digest], Awaitable[Context]]
"""run → whose topics its intents are on."""


async def iter_held(store: Store) -> AsyncIterator[Held]:
    """Yield the reactions that wait: for a decision, or released and not sent yet."""
    async for held in store.scan(Held):
        if held.status == "held" or (held.status == "released" and not await _is_told(store, held)):
            yield held


async def find_held(store: Store, names: Iterable[str]) -> list[Held]:
    """Return reactions that were held back, by their ids or beginnings of them.

    Raises
    ------
    NotFoundError
        If there is none of a name.
    SettingsError
        If there are several, or it was told already.
    """
    known = [held async for held in store.scan(Held)]
    found: dict[Digest, Held] = {}
    for name in names:
        start = name.removeprefix("reaction:")
        fitting = [held for held in known if held.id.hex().startswith(start)]
        if not fitting or not start:
            raise NotFoundError("no such reaction was held back", where=name)
        if len(fitting) > 1:
            raise SettingsError(f"{len(fitting)} reactions begin so", where=name)
        if await _is_told(store, fitting[0]):
            raise SettingsError("was told already", where=text_id("reaction", fitting[0].id))
        found[fitting[0].id] = fitting[0]
    return list(found.values())


async def _is_told(store: Store, held: Held) -> bool:
    return any([receipt.way == held.target async for receipt in store.scan(Receipt, id=held.id)])


async def decide(
    store: Store, bus: Bus, context_of: ContextOf, all_held: Sequence[Held], decision: Decision, said: str
) -> None:
    """Have reactions sent once more, or never.

    The decision is written first, then the deliverers are told of it: they journal it, and send what was
    released. Interrupted between, the same again makes it whole.

    Parameters
    ----------
    store, bus
        Where they lie, and where deliverers listen.
    context_of
        Says whose topics the intents of a run are on.
    all_held
        The reactions.
    decision, said
        What was decided, and why.
    """
    await store.write([replace(held, status=decision, decision=said) for held in all_held])
    contexts = {run: await context_of(run) for run in {held.run for held in all_held}}
    outputs = []
    for held in all_held:
        record = Intended(held.position, held.stock, held.run, held.id, held.target)
        outputs.append(Outgoing(contexts[held.run].topic(INTENTS), held.stock, wire.encode(record)))
    async with AsyncExitStack() as opened:
        for context in set(contexts.values()):
            await opened.enter_async_context(adding(store, context))
        await bus.publish(outputs)


def told_of(held: Held) -> dict[str, Any]:
    """Return it in plain values, as ``--json`` prints it."""
    return {
        "id": text_id("reaction", held.id),
        "run": text_id("run", held.run),
        "outlet": held.target,
        "stock": held.stock,
        "status": held.status,
        "reason": held.reason,
        "since_utc": held.since_utc,
        "attempts": held.attempts,
        "decision": held.decision,
    }
