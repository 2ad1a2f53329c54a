"""What a person decides about reactions that are held back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Literal

from msgspec.structs import replace

from skymesh.bus.bus import Bus, Outgoing
from skymesh.codecs import wire
from skymesh.errors import NotFoundError, SettingsError
from skymesh.model.ids import Digest, text_id
from skymesh.model.reaction import Held
from skymesh.model.records import Intended
from skymesh.runtime.epochs import adding
from skymesh.runtime.tier import Context
from skymesh.runtime.topics import INTENTS
from skymesh.store.store import Store
from skymesh_deliver.held import all_held, held_of, is_told

Decision = Literal["released", "dropped"]
ContextOf = Callable[[Digest], Awaitable[Context]]
"""run → whose topics its intents are on."""


async def find_held(store: Store, names: Iterable[str], decision: Decision) -> list[Held]:
    """Return reactions that were held back, by their ids or beginnings of them, to decide about them.

    Raises
    ------
    NotFoundError
        If there is none of a name.
    SettingsError
        If there are several, it was told already, or it was dropped and is to be released.
    """
    known = await all_held(store)
    found: dict[Digest, Held] = {}
    for name in names:
        start = name.removeprefix("reaction:")
        fitting = [held for held in known if held.id.hex().startswith(start)]
        if not fitting or not start:
            raise NotFoundError("no such reaction was held back", where=name)
        if len(fitting) > 1:
            raise SettingsError(f"{len(fitting)} reactions begin so", where=name)
        if await is_told(store, fitting[0]):
            raise SettingsError("was told already", where=text_id("reaction", fitting[0].id))
        if decision == "released":
            _refuse_dropped(fitting[0])
        found[fitting[0].id] = fitting[0]
    return list(found.values())


def _refuse_dropped(held: Held | None) -> None:
    if held is not None and held.status == "dropped":
        why = f": {held.decision}" if held.decision else ""
        raise SettingsError(f"was dropped, and is never sent{why}", where=text_id("reaction", held.id))


async def decide(
    store: Store, bus: Bus, context_of: ContextOf, chosen: Sequence[Held], decision: Decision, said: str
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
    chosen
        The reactions.
    decision, said
        What was decided, and why.

    Raises
    ------
    SettingsError
        If somebody else has dropped what is to be released; the others are released.
    """
    await store.write([replace(held, status=decision, decision=said) for held in chosen])
    contexts = {run: await context_of(run) for run in {held.run for held in chosen}}
    outputs = []
    for held in chosen:
        record = Intended(held.position, held.stock, held.run, held.id, held.target)
        outputs.append(Outgoing(contexts[held.run].topic(INTENTS), held.stock, wire.encode(record)))
    async with AsyncExitStack() as opened:
        for context in set(contexts.values()):
            await opened.enter_async_context(adding(store, context))
        await bus.publish(outputs)
    if decision == "released":
        for held in chosen:
            _refuse_dropped(await held_of(store, held.id))


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
