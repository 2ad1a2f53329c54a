"""The outlet ``file``: a folder on the disk of the person who runs the job."""

from __future__ import annotations

from pathlib import Path

from skymesh.files import write_whole
from skymesh.runtime.outlet import Parcel


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
            write_whole(self._folder / item.name, (item.letter.body,))
