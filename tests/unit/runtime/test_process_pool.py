"""What a process is given, and until when it must answer, does not change how executions end."""

from __future__ import annotations

import pytest

from skymesh.runtime import process_pool
from skymesh.runtime.execute import InProcessExecutor, Task
from skymesh.runtime.process_pool import ProcessExecutor
from support.bad_units import Answer, FailsTogether, Hurried, Leisurely


@pytest.fixture(params=[1, 2])
def processes(request, monkeypatch):
    executor = ProcessExecutor(request.param)
    executor.run(tasks_of(*[Leisurely()] * request.param))  # so that they are up, whatever that takes
    monkeypatch.setattr(process_pool, "_GRACE_S", 0.1)
    yield executor
    executor.close()


def tasks_of(*units):
    return [Task(bytes([number]) * 16, unit, Answer, {}) for number, unit in enumerate(units)]


def endings(executor, tasks):
    return [(ended.outcome, ended.reason, ended.content) for ended in executor.run(tasks)]


def test_a_slow_batch_takes_no_time_from_the_unit_beside_it(processes):
    hurried, leisurely = Hurried(), Leisurely(pause_s=0.6)
    tasks = tasks_of(hurried, leisurely, leisurely, hurried)
    expected = [("ok", "", {"number": number}) for number in (1, 2, 2, 1)]
    assert endings(processes, tasks) == expected


def test_a_batch_that_fails_late_leaves_each_task_its_own_time(processes):
    assert endings(processes, tasks_of(FailsTogether())) == [("ok", "", {"number": 3})]


def test_in_one_process_a_batch_begins_when_its_first_task_is_due(tmp_path):
    diary = tmp_path / "diary"
    leisurely = Leisurely(diary=str(diary))
    tasks = tasks_of(Hurried(diary=str(diary)), leisurely, leisurely)
    assert [number for *_, number in endings(InProcessExecutor(), tasks)] == [
        {"number": 1},
        {"number": 2},
        {"number": 2},
    ]
    assert diary.read_text() == "Hurried Leisurely "
