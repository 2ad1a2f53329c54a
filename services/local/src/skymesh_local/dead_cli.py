"""The commands ``skymesh dead …``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from skymesh.errors import SettingsError
from skymesh.settings.service import RECORD_BYTES
from skymesh.store.store import Store
from skymesh_local.dead import Found, find_letters, iter_letters, redrive, refuse_sent, why_expired
from skymesh_local.mesh import open_store
from skymesh_local.mesh_cli import StoreUrl, on_mesh, store_url

if TYPE_CHECKING:
    from skymesh.runtime.live import LiveMesh

T = TypeVar("T")
_EMBEDDED = "sqlite:"

app = typer.Typer(no_args_is_help=True, help="What could not be read: dead letters.")

Id = Annotated[
    str, typer.Argument(metavar="ID", help="The letter's id, or its beginning.", show_default=False)
]
Ids = Annotated[
    list[str] | None, typer.Argument(metavar="ID…", help="Ids of letters, or beginnings.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_(store: StoreUrl = "", as_json: Json = False) -> None:
    """List dead letters: which, why, and where each was read."""

    async def look(store: Store) -> list[dict[str, Any]]:
        return [found.told() async for found in iter_letters(store)]

    letters = _looked(store, look)
    if as_json:
        print(json.dumps({"dead_letters": letters}))
        return
    for letter in letters:
        again = ", sent again" if letter["sent_again"] else ""
        print(f"{letter['id']}  {letter['tier']}  attempt {letter['attempt']}{again}  {letter['where']}")
        print(f"    {letter['code']}: {letter['reason']}")
    print(f"{len(letters)} dead letters")


@app.command()
def show(
    id_: Id,
    store: StoreUrl = "",
    out: Annotated[
        Path | None, typer.Option(help="Write the original bytes to this file.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Show all about a dead letter."""

    async def look(store: Store) -> Found:
        (found,) = await find_letters(store, [id_])
        return found

    found = _looked(store, look)
    if out is not None:
        _write(out, found.letter.payload)
    told = found.told()
    if as_json:
        print(json.dumps(told))
        return
    for name, value in told.items():
        if value not in (None, ""):
            print(f"{name}: {json.dumps(value) if isinstance(value, dict) else value}")


@app.command("redrive")
def redrive_(
    ids: Ids = None,
    store: StoreUrl = "",
    all_: Annotated[bool, typer.Option("--all", help="All that were not sent again yet.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Also what was sent again already.")] = False,
    as_json: Json = False,
) -> None:
    """Send what is in dead letters again, to the topics it was read from."""
    names = ids or []
    if bool(names) == all_ or (again and all_):
        raise SettingsError("name letters, or say --all (without --again)", where="skymesh dead redrive")
    url = store_url(store)
    if url.startswith(_EMBEDDED):
        raise SettingsError("only a live mesh reads again: mend the files and run them", where=url)

    async def work(mesh: LiveMesh) -> list[str]:
        if names:
            letters = await find_letters(mesh.store, names)
            refuse_sent([] if again else letters)
        else:
            fresh = [f async for f in iter_letters(mesh.store) if f.letter.original and not f.is_redriven]
            letters = [f for f in fresh if not await why_expired(mesh.store, mesh.context, f)]
        await redrive(mesh.store, mesh.bus, mesh.context, letters, record_bytes=RECORD_BYTES)
        return [found.name for found in letters]

    sent = on_mesh(url, work)
    if as_json:
        print(json.dumps({"sent_again": sent}))
    else:
        print("\n".join([*sent, f"{len(sent)} dead letters were sent again"]))


def _looked(url: str, look: Callable[[Store], Awaitable[T]]) -> T:
    """Look into a store, embedded or live."""

    async def work() -> T:
        async with open_store(store_url(url)) as store:
            return await look(store)

    return asyncio.run(work())


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise SettingsError(f"cannot be written: {error.strerror}", where=str(path)) from None
