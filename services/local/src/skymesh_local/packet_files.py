"""Packets on disk: Avro files, messages in Confluent's framing, folders of them, and tars."""

from __future__ import annotations

import bz2
import gzip
import lzma
import mmap
import os
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, NamedTuple, Self, cast

from skymesh.errors import SettingsError, UndecodableAlertError
from skymesh.model.alert import Source
from skymesh_ingest.reading import Container, Unreadable

_PACKET_ENDINGS = (".avro", ".confluent.bin")
_TAR_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_MAPPED_BYTES = 8 << 20


class PacketFile(NamedTuple):
    """A file to read packets from.

    Attributes
    ----------
    path
        Where it is.
    is_tar
        Whether it holds members, each a file.
    """

    path: Path
    is_tar: bool


def find_files(paths: Iterable[Path]) -> list[PacketFile]:
    """Return the files to read: those named, and in folders, at any depth, those ending like packets or tars.

    A file that is named twice, or found on two ways, is one.

    Raises
    ------
    SettingsError
        If a path does not exist or a folder cannot be read.
    """
    found: dict[Path, PacketFile] = {}
    for path in paths:
        try:
            if not path.exists():
                raise SettingsError("there is no such file or folder", where=name_of(path))
            if not path.is_dir() and not path.is_file():
                raise SettingsError("neither a file nor a folder", where=name_of(path))
            for place, item in _walk(path, set()) if path.is_dir() else ((path.resolve(), path),):
                found.setdefault(place, _file(item))
        except OSError as error:
            place = Path(os.fsdecode(error.filename)) if error.filename else path
            raise SettingsError(f"cannot be read: {error.strerror}", where=name_of(place)) from None
    return list(found.values())


def name_of(path: Path) -> str:
    """Return a path as text, whatever bytes it consists of."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _walk(folder: Path, above: set[Path]) -> Iterator[tuple[Path, Path]]:
    """Yield the files of a folder that end like packets, with the place where each really lies.

    A link back to a folder above ends there.
    """
    place = folder.resolve()
    if place in above:
        return
    with os.scandir(folder) as entries:
        items = sorted(entries, key=lambda entry: entry.name)
    for item in items:
        if item.is_dir():
            yield from _walk(folder / item.name, above | {place})
        elif item.name.lower().endswith((*_PACKET_ENDINGS, *_TAR_ENDINGS)) and item.is_file():
            path = folder / item.name
            yield path.resolve() if item.is_symlink() else place / item.name, path


def _file(path: Path) -> PacketFile:
    return PacketFile(path, path.name.lower().endswith(_TAR_ENDINGS))


def read_containers(file: PacketFile) -> Iterator[Container | Unreadable]:
    """Yield the containers of a file; what cannot be read is rejected with its reason."""
    if file.is_tar:
        yield from _members(file.path)
        return
    try:
        yield from _mapped(file.path)
    except OSError as error:
        yield _unreadable(name_of(file.path), f"cannot be read: {error.strerror}")


def _mapped(path: Path) -> Iterator[Container]:
    """Yield a file as a container; a big one stays on disk and is read as it is decoded."""
    # Unbuffered: a packet goes straight into its bytes.
    with path.open("rb", buffering=0) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size <= _MAPPED_BYTES:
            yield Container(name_of(path), stream.readall())
            return
        with mmap.mmap(stream.fileno(), size, access=mmap.ACCESS_READ) as data:
            yield Container(name_of(path), data)  # type: ignore[arg-type]  # it slices into bytes


def _members(path: Path) -> Iterator[Container | Unreadable]:
    name = name_of(path)
    try:
        with _plain(path) as plain:
            with tarfile.open(fileobj=plain, mode="r|", tarinfo=_StrictHeader) as archive:
                for member in archive:
                    stream = archive.extractfile(member) if member.isfile() else None
                    if stream is not None and _is_packet(member.name):
                        yield Container(f"{name}!{member.name}", stream.read())
            while plain.read(_MAPPED_BYTES):
                """To the very end: there compressed files keep their checksum."""
    except (tarfile.TarError, OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        yield _unreadable(name, f"damaged tar: {' '.join(str(error).split())}")


class _StrictHeader(tarfile.TarInfo):
    """A member's header; one that is damaged or cut off is an error, not the end of the archive."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.HeaderError as error:
            if type(error).__name__ == "EOFHeaderError":
                raise  # a block of zeros: the end as it should be
            raise tarfile.ReadError(str(error) or "it ends without an end mark") from None


def _plain(path: Path) -> IO[bytes]:
    """Open a tar through its decompression, which says by itself when the data are damaged."""
    ending = path.name.lower().rsplit(".", 1)[-1]
    if ending in {"gz", "tgz"}:
        return cast("IO[bytes]", gzip.open(path, "rb"))
    if ending == "bz2":
        return cast("IO[bytes]", bz2.open(path, "rb"))
    if ending == "xz":
        return cast("IO[bytes]", lzma.open(path, "rb"))
    return path.open("rb")


def _is_packet(name: str) -> bool:
    """Return whether a member is meant as a packet: hidden files (a tar's own leavings) are not."""
    return not name.rsplit("/", 1)[-1].startswith(".")


def _unreadable(name: str, problem: str) -> Unreadable:
    return Unreadable(Source(name, 0), UndecodableAlertError(problem), b"")
