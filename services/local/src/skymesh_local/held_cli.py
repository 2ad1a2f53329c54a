"""The commands ``skymesh held …``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import typer

from skymesh.bus.bus import Bus
from skymesh.errors import InvariantError, SettingsError
from skymesh.model.ids import Digest, text_id
from skymesh.model.run import Run
from skymesh.runtime.tier import Context
from skymesh.store.store import Store
from skymesh_deliver.held import iter_held
from skymesh_local.held import ContextOf, Decision, decide, find_held, told_of
from skymesh_local.mesh import open_mesh
from skymesh_local.mesh_cli import StoreUrl, store_url

T = TypeVar("T")
Work = Callable[[Store, Bus, ContextOf], Awaitable[T]]
_EMBEDDED = "sqlite:"

app = typer.Typer(no_args_is_help=True, help="Reactions that are not sent before a person decides.")

Ids = Annotated[
    list[str] | None,
    typer.Argument(metavar="ID…", help="Ids of reactions, or beginnings.", show_default=False),
]
All = Annotated[bool, typer.Option("--all", help="All that wait.")]
Reason = Annotated[str, typer.Option(help="Why, for the journal.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command("list")
def list_(store: StoreUrl = "", as_json: Json = False) -> None:
    """List what is held back, and why."""

    async def look(store: Store, _: Bus, __: ContextOf) -> list[dict[str, Any]]:
        return [told_of(held) async for held in iter_held(store)]

    waiting = _opened(store, look)
    if as_json:
        print(json.dumps({"held": waiting}))
        return
    for held in waiting:
        print(f"{held['id']}  {held['status']}  {held['outlet']}  {held['stock']}  since {held['since_utc']}")
        print(f"    {held['reason']}")
    print(f"{len(waiting)} reactions are held back")


@app.command()
def release(
    ids: Ids = None, store: StoreUrl = "", all_: All = False, reason: Reason = "", as_json: Json = False
) -> None:
    """Send reactions once more, whether they were sent before or not."""
    _decide("released", ids or [], store, all_=all_, reason=reason, as_json=as_json)


@app.command()
def drop(
    ids: Ids = None, store: StoreUrl = "", all_: All = False, reason: Reason = "", as_json: Json = False
) -> None:
    """Never send reactions."""
    _decide("dropped", ids or [], store, all_=all_, reason=reason, as_json=as_json)


def _decide(
    decision: Decision, names: list[str], store: str, *, all_: bool, reason: str, as_json: bool
) -> None:
    if bool(names) == all_:
        raise SettingsError("name reactions, or say --all", where="skymesh held")

    async def work(store: Store, bus: Bus, context_of: ContextOf) -> list[str]:
        chosen = await find_held(store, names, decision) if names else [h async for h in iter_held(store)]
        await decide(store, bus, context_of, chosen, decision, reason)
        return [text_id("reaction", held.id) for held in chosen]

    done = _opened(store, work)
    if as_json:
        print(json.dumps({decision: done}))
        return
    again = "; the same run again goes on with them" if store_url(store).startswith(_EMBEDDED) else ""
    print("\n".join([*done, f"{len(done)} reactions are {decision}{again}"]))


def _opened(url: str, work: Work[T]) -> T:
    """Do something with a store, embedded or live, and the bus beside it."""

    async def opened() -> T:
        async with open_mesh(store_url(url)) as mesh:

            async def context_of(run: Digest) -> Context:
                known = await mesh.store.get(Run, id=run)
                if known is None:
                    raise InvariantError("is not in the store", where=text_id("run", run))
                return await mesh.context(known)

            return await work(mesh.store, mesh.bus, context_of)

    return asyncio.run(opened())
