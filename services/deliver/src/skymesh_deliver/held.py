"""Reading back what is held: all that was said of each reaction, as one word that counts."""

from __future__ import annotations

from collections.abc import AsyncIterator

from skymesh.model.ids import Digest
from skymesh.model.reaction import Held, Receipt, standing
from skymesh.store.store import Store


async def held_of(store: Store, reaction: Digest) -> Held | None:
    """Return what counts of a reaction; None if it was never held back."""
    return standing([said async for said in store.scan(Held, id=reaction)])


async def all_held(store: Store) -> list[Held]:
    """Return what counts of each reaction that was ever held back."""
    by_id: dict[Digest, list[Held]] = {}
    async for said in store.scan(Held):
        by_id.setdefault(said.id, []).append(said)
    return [held for said in by_id.values() if (held := standing(said)) is not None]


async def iter_held(store: Store) -> AsyncIterator[Held]:
    """Yield the reactions that wait: for a decision, or released and not sent yet."""
    for held in await all_held(store):
        if held.status != "dropped" and not await is_told(store, held):
            yield held


async def is_told(store: Store, held: Held) -> bool:
    """Return whether the outlet has it all the same: it was released, or an attempt had come through."""
    return any([receipt.way == held.target async for receipt in store.scan(Receipt, id=held.id)])
