"""Reactions over real alerts: packets of both surveys become valid VOEvents, one for each object or state."""

from __future__ import annotations

from collections import Counter

import pytest

from skymesh.model.reaction import Intent
from support.mesh import audit_store, channel, documents, messages, run_files, write_job
from support.vo_event_schema import NEEDS_SCHEMA, validator

SOURCES = {"ztf": "ztf/avro/pgb_ZTF21abiuvdk", "lsst": "lsst/real_native"}
REACT = {
    "each": {"unit": "VOEvent", "when": "summary", "once": "state", "to": ["file"]},
    "first": {
        "unit": "VOEvent", "when": "summary.detections > 1", "once": "stock", "to": ["file"],
        "config": {"stream": "first"},
    },
}  # fmt: skip


@NEEDS_SCHEMA
@pytest.mark.parametrize("survey", SOURCES)
def test_real_alerts_become_valid_events(shared_data, tmp_path, survey):
    job = write_job(tmp_path / "job.yaml", {"c": channel(f"{survey}_public", react=REACT)})
    numbers = run_files(job, shared_data / SOURCES[survey], tmp_path / "out")
    told = documents(tmp_path / "out" / "store.db", Intent)
    written = messages(tmp_path / "out")
    assert numbers["channels"]["job/c"]["reactions"] == len(told) == len(written) > 2
    is_valid = validator()
    for body in written.values():
        is_valid(body)
    once = Counter(intent.stock for intent in told if intent.instance == "first")
    assert set(once.values()) == {1}
    assert numbers["units"]["job/c.summary"]["ok"] == sum(intent.instance == "each" for intent in told)
    assert audit_store(tmp_path / "out" / "store.db").holes == []
