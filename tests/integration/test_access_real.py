"""Two real objects whose measurements are of several programmes: each channel sees what is its own."""

from __future__ import annotations

import asyncio
import json

import fastavro
import pytest

from skymesh.errors import NotFoundError
from skymesh.model.alert import Arrival
from skymesh_local.show import show
from support.mesh import audit_store, channel, documents, open_store, run_files, write_files, write_job

pytestmark = pytest.mark.shared_data
PROGRAMMES = {"public": {1}, "partners": {1, 2}, "staff": {0, 1, 2, 3}}
LABELS = {0: "ztf_engineering", 1: "ztf_public", 2: "ztf_private", 3: "ztf_caltech"}


def _told(folder, stock, name):
    with open_store(folder / "store.db") as embedded:
        try:
            return asyncio.run(show(embedded.store, stock, name))
        except NotFoundError:
            return {"alerts": [], "points": [], "states": [], "results": []}


def _measured(files):
    """Return (programme, native id, whether it triggered) of all points, read without the mesh."""
    found = set()
    for file in files:
        with file.open("rb") as stream:
            for packet in fastavro.reader(stream):
                found.add((packet["candidate"]["programid"], packet["candid"], True))
                for point in packet["prv_candidates"] or ():
                    found.add((point["programid"], point["candid"] or point["pid"], False))
    return found


@pytest.mark.parametrize("name,count", [("ZTF18abxhyqv", 4), ("ZTF17aaajnnn", 1)])
def test_each_channel_sees_the_points_of_its_programmes_and_no_number_of_others(
    shared_data, tmp_path, name, count
):
    files = sorted(shared_data.glob(f"ztf/avro/**/{name}_*[0-9].avro"))[:4]
    write_files(tmp_path / "in", {file.name: file.read_bytes() for file in files})
    channels = {
        who: channel(*(LABELS[programme] for programme in sorted(programmes)))
        for who, programmes in PROGRAMMES.items()
    }
    numbers = run_files(write_job(tmp_path / "job.yaml", channels), tmp_path / "in", tmp_path)
    assert audit_store(tmp_path / "store.db").holes == []
    measured = _measured(files)
    assert len({programme for programme, _, _ in measured}) > 1
    for who, programmes in PROGRAMMES.items():
        told = _told(tmp_path, f"ztf:{name}", who)
        natives = {native for programme, native, _ in measured if programme in programmes}
        hidden = {native for _, native, _ in measured} - natives
        assert {point["native"] for point in told["points"]} == natives
        triggers = {native for programme, native, has in measured if has and programme in programmes}
        assert {alert["native"] for alert in told["alerts"]} == triggers
        assert numbers["channels"][f"job/{who}"]["accepted"] == len(triggers)
        text = json.dumps(told)
        assert [native for native in hidden if str(native) in text.replace(".avro", "")] == []
        points = {point["id"] for point in told["points"]}
        assert all(points.issuperset(state["points"]) for state in told["states"])
    assert len({row.alert.id for row in documents(tmp_path / "store.db", Arrival)}) == count
