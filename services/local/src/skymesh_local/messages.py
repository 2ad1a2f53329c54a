"""The messages of a run that was begun before: those that are gone from its folder are written anew."""

from __future__ import annotations

from pathlib import Path

from skymesh.model.ids import Digest
from skymesh.model.reaction import Intent, Receipt
from skymesh.runtime.outlet import Item
from skymesh.store.store import Store
from skymesh_deliver.door import folder_door, parcel_of
from skymesh_deliver.file_outlet import FileOutlet


async def write_messages_anew(store: Store, run: Digest, folder: Path) -> None:
    """Write the delivered messages that are not in a run's folder, as they were delivered.

    They follow from the stored intents alone, and their receipts stand: nothing is decided, delivered or
    journalled again.

    Raises
    ------
    OutletUnavailableError
        If the folder cannot be written.
    """
    outlet = FileOutlet(folder)
    async for receipt in store.scan(Receipt, run=run):
        intent = await store.get(Intent, run=run, id=receipt.id)
        if intent is not None and receipt.way == "file":
            parcel = parcel_of(intent, folder_door("file"))
            gone = tuple(item for item in parcel.items if not _is_there(folder / item.name, item))
            await outlet.deliver(parcel._replace(items=gone))


def _is_there(path: Path, item: Item) -> bool:
    return path.is_file() and path.stat().st_size == len(item.letter.body)
