"""Reading reactions back from a store: what was told of an object, why, and where it went."""

from __future__ import annotations

from typing import Any

from skymesh.model.ids import Digest
from skymesh.model.reaction import Intent, Place, Receipt
from skymesh.model.run import Run
from skymesh.model.state import State
from skymesh.store.store import Store
from skymesh_deliver.held import held_of
from skymesh_local.objects import Seen, Sight, arrivals_of, plain_entry


async def intents_of(store: Store, sight: Sight, **key: Any) -> list[Intent]:
    """Return the intents with some values of their columns that a channel may see: its own.

    Where other jobs of its name granted it less, only those of states that all of them let it see.
    """
    own = [intent async for intent in store.scan(Intent, **key) if sight.is_own(intent.channel)]
    seen = {stock: Seen.of(await arrivals_of(store, stock), sight) for stock in {i.stock for i in own}}
    states = {id_: await store.get(State, id=id_) for id_ in {i.state for i in own}}
    return [i for i in own if seen[i.stock].includes(i.alert, states[i.state])]


async def reactions_of(store: Store, stock: str, sight: Sight) -> list[dict[str, Any]]:
    """Return what was told of an object, run by run, in plain values."""
    told = []
    async for run in store.scan(Run):
        intents = await intents_of(store, sight, run=run.id, stock=stock)
        in_order = sorted(intents, key=lambda intent: (intent.position, intent.channel, intent.instance))
        told += [await describe_intent(store, intent) for intent in in_order]
    return told


async def describe_intent(store: Store, intent: Intent) -> dict[str, Any]:
    """Return an intent in plain values, with its receipt."""
    receipt = await store.get(Receipt, run=intent.run, id=intent.id)
    return {
        "id": _text("reaction", intent.id),
        "run": _text("run", intent.run),
        "channel": intent.channel,
        "instance": intent.instance,
        "unit": intent.ref.unit,
        "version": intent.ref.version,
        "config": _text("config", intent.ref.config),
        "code": intent.ref.code.hex(),
        "target": intent.target,
        "once": intent.once,
        "stock": intent.stock,
        "alert": _text("alert", intent.alert),
        "state": _text("state", intent.state),
        "results": {
            name: {"result": _text("result", id_), "outcome": outcome}
            for name, (id_, outcome) in intent.results.items()
        },
        "inputs": {name: plain_entry(entry) for name, entry in intent.inputs.items()},
        "messages": [
            {"name": letter.name, "media_type": letter.media_type, "size_bytes": len(letter.body)}
            for letter in intent.letters
        ],
        "receipt": None if receipt is None else [_place(place) for place in receipt.places],
        "fate": "delivered" if receipt is not None else await _fate(store, intent),
    }


async def _fate(store: Store, intent: Intent) -> str:
    """Return what became of an intent without a receipt of its own, as far as the store tells."""
    held = await held_of(store, intent.id)
    if held is not None and held.status != "released":
        return f"{held.status}: {held.decision or held.reason}"
    others = [r async for r in store.scan(Receipt, id=intent.id) if r.way == intent.target]
    return f"told before by {_text('run', others[0].run)}" if others else "not delivered yet"


def _place(place: Place) -> dict[str, Any]:
    return {"name": place.name, "size_bytes": place.size_bytes, "blake2b": place.digest.hex()}


def _text(kind: str, id_: Digest) -> str:
    return f"{kind}:{id_.hex()}"
