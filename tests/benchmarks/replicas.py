"""Many distinct objects made of a few packets.

Each replica of a packet is an object of its own: name, alert ids, exposure ids and image stamps occur
nowhere else, so nothing is found twice that would not be found twice in a night of the survey.
An object has a packet every 1.25 days. The first is the original one; each further one is a new detection,
with the whole history and the trigger before as its last entry. The first packets of all objects are of one
night, over which the objects made of one packet are spread, and so on. A log is in order of time: of two
nights, the first is read by a mesh that knows nothing (cold), the second by one that knows every point but
one (history preloaded).
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any, NamedTuple

import fastavro
from fastavro.write import Writer

from skymesh.surveys.ztf.simulated_night import simulated_night

DATA_VARIABLE = "SKYMESH_TEST_DATA"
FOLDERS = ("pgb_20210901", "kowalski_20231012", "kowalski_20200202", "ampel_20180819_mod1000")
RECORDS_PER_CONTAINER = 1000
MOST_SINGLE_FILES = 20_000

_FIRST_NIGHT_JD_UTC = 2460000.5
_NIGHT_DAYS = 0.4
_LATER_DAYS = 1.25
_CANDIDS_FROM = 2_000_000_000_000_000_000
_PIDS_FROM = 2_000_000_000_000
_IDS_PER_REPLICA = 10_000
_PACKETS_PER_REPLICA = 100
_NAMES = 26**7
_SPREAD = 1_234_567_891
_GZIP, _GZIP_TIME = b"\x1f\x8b", slice(4, 8)


class Original(NamedTuple):
    """A packet to replicate.

    Attributes
    ----------
    record
        The decoded packet.
    schema
        The writer schema of its container, as fastavro parses it.
    key
        The schema's text: packets of equal keys can share a container.
    """

    record: dict[str, Any]
    schema: Any
    key: str


def read_originals(folders: Iterable[Path]) -> list[Original]:
    """Read every packet of some folders, in order of their names; files that are no packets are left out."""
    files = [file for folder in folders for file in sorted(folder.rglob("*.avro"))]
    return [original for file in files for original in _originals(file.read_bytes())]


def data_folder() -> Path:
    """Return the folder of real packets, whether it is there or not."""
    beside = Path(__file__).parents[3] / "shared" / "data"
    return Path(os.environ.get(DATA_VARIABLE) or beside)


def default_folders() -> list[Path]:
    """Return the folders of real packets that are there."""
    data = data_folder() / "ztf" / "avro"
    return [data / name for name in FOLDERS if (data / name).is_dir()]


def simulated_originals() -> list[Original]:
    """Return the packets of the night that the package simulates."""
    return [original for packet in simulated_night() for original in _originals(packet)]


def _originals(container: bytes) -> Iterator[Original]:
    reader = fastavro.reader(io.BytesIO(container))
    schema: Any = reader.writer_schema
    for record in reader:
        # fastavro's hints allow for records that are no maps, and for no metadata.
        yield Original(record, schema, reader.metadata["avro.schema"])  # type: ignore[arg-type, call-overload, index]


def write_alerts(originals: list[Original], objects: int, folder: Path, nights: range = range(2)) -> int:
    """Write an alert per object and night; return their size in bytes.

    Up to `MOST_SINGLE_FILES` each alert is a file, as the survey sends them; more are put into containers of
    `RECORDS_PER_CONTAINER`.
    """
    folder.mkdir(parents=True)
    if objects * len(nights) <= MOST_SINGLE_FILES:
        return sum(_write_objects(originals, range(objects), nights, folder, 1))
    sizes, by_schema = 0, {}
    for number in range(objects):
        original = originals[number % len(originals)]
        by_schema.setdefault(original.key, []).append(number)
    for numbers in by_schema.values():
        sizes += sum(_write_objects(originals, numbers, nights, folder, RECORDS_PER_CONTAINER))
    return sizes


def _write_objects(
    originals: list[Original], numbers: Iterable[int], nights: range, folder: Path, size: int
) -> Iterator[int]:
    records = (
        (original.schema, record)
        for number in numbers
        for original in (originals[number % len(originals)],)
        for record in islice(packets(original, number), nights.start, nights.stop)
    )
    while part := list(islice(records, size)):
        # One container has one schema: callers that ask for more than one record have grouped by it.
        schema, first = part[0]
        path = folder / f"{first['objectId']}_{first['candid']}.avro"
        with path.open("wb") as stream:
            fastavro.writer(stream, schema, [record for _, record in part])
        yield path.stat().st_size


def containers(originals: list[Original], numbers: Iterable[int], *, has_cutouts: bool) -> Iterator[bytes]:
    """Yield the first packet of objects, each as the survey sends it."""
    stamps = {} if has_cutouts else dict.fromkeys(("cutoutScience", "cutoutTemplate", "cutoutDifference"))
    writers: dict[str, ContainerWriter] = {}
    for number in numbers:
        original = originals[number % len(originals)]
        if original.key not in writers:
            writers[original.key] = ContainerWriter(original.schema)
        yield writers[original.key].container(next(packets(original, number)) | stamps)


class ContainerWriter:
    """Writes containers of one record; what a schema takes is done once."""

    def __init__(self, schema: Any) -> None:
        self._out = io.BytesIO()
        self._writer = Writer(self._out, schema)
        self._header = self._out.getvalue()

    def container(self, record: dict[str, Any]) -> bytes:
        """Return a container."""
        self._out.seek(0)
        self._out.truncate()
        self._writer.write(record)
        self._writer.flush()
        return self._header + self._out.getvalue()


def packets(original: Original, number: int) -> Iterator[dict[str, Any]]:
    """Yield the packets of an object, night by night.

    Parameters
    ----------
    original
        What the object is made of.
    number
        The object: equal numbers make equal packets.
    """
    packet = _moved(original.record, number)
    last = (number + 1) * _IDS_PER_REPLICA - 1
    names = _history_fields(original.schema)
    for night in count():
        yield _with_stamps(packet, number * _PACKETS_PER_REPLICA + night)
        packet = _next(packet, names, last - night)


def _next(packet: dict[str, Any], names: list[str], id_: int) -> dict[str, Any]:
    """Return the packet of a new detection, with the one before in its history."""
    before = packet["candidate"]
    candidate = {**before, "jd": before["jd"] + _LATER_DAYS}
    candidate["candid"], candidate["pid"] = _CANDIDS_FROM + id_, _PIDS_FROM + id_
    for name in {"ndethist", "ncovhist"} & candidate.keys():
        candidate[name] += 1
    history = [*(packet.get("prv_candidates") or ()), {name: before.get(name) for name in names}]
    return {**packet, "candidate": candidate, "candid": candidate["candid"], "prv_candidates": history}


def _moved(record: dict[str, Any], number: int) -> dict[str, Any]:
    """Return a packet as another object's: new ids, and at a time of its own in the first night."""
    days = _FIRST_NIGHT_JD_UTC + _scattered(number) / _NAMES * _NIGHT_DAYS - record["candidate"]["jd"]
    candids = _Renumbered(_CANDIDS_FROM + number * _IDS_PER_REPLICA)
    pids = _Renumbered(_PIDS_FROM + number * _IDS_PER_REPLICA)
    moved = dict(record)
    moved["objectId"] = _name(record["objectId"], number)
    moved["candidate"] = _entry(record["candidate"], days, candids, pids)
    moved["candid"] = moved["candidate"]["candid"]
    for name in {"prv_candidates", "fp_hists"} & record.keys():
        if record[name] is not None:
            moved[name] = [_entry(entry, days, candids, pids) for entry in record[name]]
    return moved


class _Renumbered(dict[int, int]):
    """New ids for old ones, counted from a start."""

    def __init__(self, start: int) -> None:
        super().__init__()
        self._start = start

    def __missing__(self, old: int) -> int:
        self[old] = self._start + len(self)
        return self[old]


def _entry(entry: dict[str, Any], days: float, candids: _Renumbered, pids: _Renumbered) -> dict[str, Any]:
    moved = dict(entry)
    for name in ("jd", "jdstarthist", "jdendhist"):
        if moved.get(name) is not None:
            moved[name] += days
    if moved.get("candid") is not None:
        moved["candid"] = candids[moved["candid"]]
    if moved.get("pid") is not None:
        moved["pid"] = pids[moved["pid"]]
    return moved


def _scattered(number: int) -> int:
    """Return a number below `_NAMES`, each object's own; those of neighbouring objects are far apart."""
    return number * _SPREAD % _NAMES


def _name(original: str, number: int) -> str:
    """Return ZTF, two digits, seven letters; neighbouring numbers get names far apart."""
    left, letters = _scattered(number), ""
    for _ in range(7):
        left, letter = divmod(left, 26)
        letters = chr(ord("a") + letter) + letters
    return f"{original[:5]}{letters}"


def _with_stamps(record: dict[str, Any], packet: int) -> dict[str, Any]:
    """Make the image stamps differ from all others, in the time that a gzip file carries."""
    changed = dict(record)
    for name in ("cutoutScience", "cutoutTemplate", "cutoutDifference"):
        stamp = record.get(name)
        if stamp and stamp["stampData"].startswith(_GZIP):
            data = bytearray(stamp["stampData"])
            data[_GZIP_TIME] = packet.to_bytes(4, "little")
            changed[name] = {**stamp, "stampData": bytes(data)}
    return changed


def _history_fields(schema: Any) -> list[str]:
    """Return the names of a history entry's fields."""
    kind = next(field["type"] for field in schema["fields"] if field["name"] == "prv_candidates")
    branches = kind if isinstance(kind, list) else [kind]
    array = next(branch for branch in branches if isinstance(branch, dict) and branch["type"] == "array")
    return [field["name"] for field in array["items"]["fields"]]
