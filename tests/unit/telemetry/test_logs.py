"""What a process logs for others: its own lines, those of libraries, and none that only worries."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

CLIENT = "aiokafka.consumer.group_coordinator"
CHATTER = (
    (CLIENT, "warning", "Marking the coordinator dead (node 1)for group live.deliver.file."),
    (CLIENT, "error", "Group Coordinator Request failed: [Error 15] GroupCoordinatorNotAvailableError"),
    (CLIENT, "warning", "Heartbeat failed for g: coordinator (node 1) is either not started or not valid"),
)
TOLD = (
    ("aiokafka", "error", 'Unable connect to "localhost:1": [Errno 111] Connect call failed'),
    (CLIENT, "error", "Group Coordinator Request failed: [Error 30] GroupAuthorizationFailedError"),
    ("cassandra.cluster", "warning", "Host 127.0.0.1:9042 has been marked down"),
    ("science", "warning", "Marking the coordinator dead"),
)
CODE = """
import json, logging, sys
from skymesh.telemetry.logs import configure_logs, forward_libraries
level, is_service, lines = json.loads(sys.argv[1])
configure_logs(level)
if is_service:
    forward_libraries()
for name, kind, line in lines:
    getattr(logging.getLogger(name), kind)(line)
"""


def written(lines, *, level="info", is_service=True):
    """Return what a process of its own writes when libraries log these lines."""
    command = [sys.executable, "-c", CODE, json.dumps([level, is_service, lines])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr.splitlines()


def parsed(lines):
    told = map(json.loads, lines)
    return [(line["library"], line["level"], line["event"]) for line in told]


def test_a_service_passes_on_what_libraries_log():
    assert parsed(written(TOLD)) == list(TOLD)


def test_a_client_that_looks_for_its_coordinator_tells_only_who_looks_closely():
    assert written(CHATTER) == []
    details = [(name, "debug", line) for name, _, line in CHATTER]
    assert parsed(written(CHATTER, level="debug")) == details


@pytest.mark.parametrize("level", ["info", "debug"])
def test_a_command_is_silent_about_its_clients_and_not_about_science(level):
    clients, science = TOLD[:3], TOLD[3:]
    told = parsed(written(clients, level=level, is_service=False))
    assert told == ([(name, "debug", line) for name, _, line in clients] if level == "debug" else [])
    assert written(science, level=level, is_service=False) == [science[0][2]]
