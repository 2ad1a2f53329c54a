"""The outlet ``file``: a folder on the disk of the person who runs the job."""

from __future__ import annotations

from pathlib import Path

from skymesh.errors import OutletUnavailableError
from skymesh.runtime.outlet import Item, Parcel


class FileOutlet:
    """Writes messages as files; exactly once, as the same bytes under the same name are one file.

    Parameters
    ----------
    folder
        Where; it is there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def deliver(self, parcel: Parcel) -> None:
        """Write the files of a parcel, each whole or not at all.

        Raises
        ------
        OutletUnavailableError
            If the folder cannot be written.
        """
        for item in parcel.items:
            self._write(item)

    def _write(self, item: Item) -> None:
        target = self._folder / item.name
        part = target.with_name(f".{target.name}.part")
        try:
            target.parent.mkdir(exist_ok=True)
            part.write_bytes(item.body)
            part.replace(target)
        except OSError as error:
            raise OutletUnavailableError(f"cannot be written: {error.strerror}", where=str(target)) from None
