"""An alert of a deep field, with 2,000 points: whatever is too large for the bus travels by reference."""

from __future__ import annotations

import functools

import pytest

import skymesh_local.app
from skymesh.model.run import Blob
from skymesh.runtime.loop import TierLoop
from skymesh_t1.tier import T1
from support.lsst_packets import container, dia_forced_source, dia_source, record
from support.mesh import audit_store, channel, constant, documents, run_files, write_files, write_job

POINTS = 1000
# Half of what Kafka takes, so that the records of 2,000 points do not fit.
SMALL_BUS = 450_000


@pytest.fixture(scope="module")
def packet():
    return container(
        [
            record(
                history=[dia_source(day=-1 - number / 8) for number in range(POINTS)],
                forced=[dia_forced_source(day=-1 - number / 8) for number in range(POINTS)],
            )
        ]
    )


@pytest.mark.parametrize("inline_bytes", [0, 1 << 30], ids=["points by id", "points inline"])
@pytest.mark.parametrize("record_bytes", [0, SMALL_BUS])
def test_a_run_over_it_is_the_same(tmp_path, monkeypatch, packet, inline_bytes, record_bytes):
    folder = write_files(tmp_path, {"alerts/deep.avro": packet})
    job = write_job(folder / "job.yaml", {"deep": channel("lsst_public")})
    numbers = run_files(job, folder / "alerts", folder / "out")
    assert numbers["datapoints"] == 2 * POINTS + 1
    monkeypatch.setattr(skymesh_local.app, "TierLoop", functools.partial(TierLoop, record_bytes=record_bytes))
    monkeypatch.setattr(skymesh_local.app, "T1", lambda context, **_: T1(context, inline_bytes=inline_bytes))
    again = run_files(job, folder / "alerts", folder / "referred")
    assert constant(again) == constant(numbers)
    path = folder / "referred" / "store.db"
    assert audit_store(path).holes == []
    blobs = documents(path, Blob)
    if record_bytes == 0:
        # Of every tier: accepted, states, results, and each one's journal.
        assert len(blobs) > 6
    else:
        assert all(len(blob.body) > record_bytes for blob in blobs)
    assert any(len(blob.body) > SMALL_BUS for blob in blobs) == bool(inline_bytes)
