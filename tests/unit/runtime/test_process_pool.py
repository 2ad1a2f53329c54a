"""What a process is given, and until when it must answer, does not change how executions end."""

from __future__ import annotations

import errno
import os
import pickle
import signal
import subprocess
import sys
import threading
from multiprocessing.context import SpawnProcess

import pytest

from skymesh.errors import TransientError
from skymesh.runtime import process_pool
from skymesh.runtime.execute import InProcessExecutor, Task
from skymesh.runtime.process_pool import ProcessExecutor
from support.bad_units import (
    Answer,
    Arrives,
    Burns,
    BurnsAndHangs,
    FailsTogether,
    Hurried,
    KilledByOne,
    KilledOnce,
    Leisurely,
    Repeats,
)
from support.jvm_server import wait_until
from support.mesh import with_path
from support.servers import is_alive


@pytest.fixture(params=[1, 2])
def processes(request, monkeypatch):
    executor = ProcessExecutor(request.param)
    executor.run(tasks_of(*[Leisurely()] * request.param))  # so that they are up, whatever that takes
    monkeypatch.setattr(process_pool, "_GRACE_S", 0.1)
    yield executor
    executor.close()


def tasks_of(*units):
    return [Task(bytes([number]) * 16, unit, Answer, {}) for number, unit in enumerate(units)]


def told(*numbers):
    unit = KilledByOne()
    return [Task(bytes([number]) * 16, unit, Answer, {"number": number}) for number in numbers]


def endings(executor, tasks):
    return [(ended.outcome, ended.reason, ended.content) for ended in executor.run(tasks)]


def test_a_slow_batch_takes_no_time_from_the_unit_beside_it(processes):
    hurried, leisurely = Hurried(), Leisurely(pause_s=3.6)
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


def test_a_process_that_is_killed_loses_nothing(processes, tmp_path):
    tasks = tasks_of(Hurried(), KilledOnce(flag=str(tmp_path / "flag")), Hurried())
    assert endings(processes, tasks) == [("ok", "", {"number": number}) for number in (1, 4, 1)]


def test_of_tasks_given_together_the_one_that_a_process_dies_of_is_found(processes):
    numbers = [1, 2, 13, 4, 5]
    tasks = told(*numbers)
    expected = [("ok", "", {"number": n}) for n in numbers]
    expected[2] = ("failed", "its process ended with code 5", None)
    assert endings(processes, tasks) == expected
    (failed,) = [ended for ended in processes.run(tasks) if ended.outcome == "failed"]
    assert failed.is_transient


def test_a_process_that_died_while_it_was_idle_loses_nothing(processes):
    for worker in processes._workers:
        worker.process.kill()
        worker.process.join()
    assert [content for *_, content in endings(processes, told(3, 4, 5))] == [
        {"number": 3},
        {"number": 4},
        {"number": 5},
    ]


def test_no_answer_to_what_was_given_up_is_taken_for_that_to_something_else(processes):
    cannot_travel = Task(bytes(16), KilledByOne(), Answer, {"number": lambda: 1})
    with pytest.raises((AttributeError, TypeError, pickle.PicklingError)):
        processes.run([*told(1), cannot_travel, *told(2)])
    assert endings(processes, told(6, 7)) == [("ok", "", {"number": 6}), ("ok", "", {"number": 7})]


def test_a_machine_without_room_for_a_process_is_no_fault_of_a_task(processes, monkeypatch):
    def refuse(**_):
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    processes.close()
    with monkeypatch.context() as patched:
        patched.setattr(processes._context, "Process", refuse)
        with pytest.raises(TransientError, match="no process can be started"):
            processes.run(told(1, 2))
    assert endings(processes, told(3)) == [("ok", "", {"number": 3})]


def test_what_is_long_on_its_way_takes_no_time_from_its_unit(monkeypatch):
    monkeypatch.setattr(process_pool, "_GRACE_S", 0.1)
    slow = [Task(bytes(16), Repeats(), Answer, {"number": Arrives(1, after_s=3.6)})]
    executor = ProcessExecutor(1)
    try:
        assert endings(executor, slow) == [("ok", "", {"number": 1})]
    finally:
        executor.close()


def test_a_process_that_never_begins_is_no_fault_of_a_task(processes, monkeypatch):
    never = Task(bytes(16), Repeats(), Answer, {"number": Arrives(1, after_s=3600)})
    with monkeypatch.context() as patched:
        patched.setattr(process_pool, "_START_S", 0.2)
        with pytest.raises(TransientError, match=r"did not begin within 0\.2 s"):
            processes.run([never])
    assert endings(processes, told(3)) == [("ok", "", {"number": 3})]


def interrupt_here():
    signal.raise_signal(signal.SIGINT)


def interrupt_beside():
    """As when another thread takes it, whom the system may choose as well."""

    def take():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        signal.raise_signal(signal.SIGINT)

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()


@pytest.mark.parametrize("interrupt", [interrupt_here, interrupt_beside])
def test_an_interrupt_while_a_process_starts_is_heard_once_it_has(processes, monkeypatch, interrupt):
    started, start = [], SpawnProcess.start

    def start_interrupted(process):
        interrupt()
        start(process)
        started.append(process)

    processes.close()
    with monkeypatch.context() as patched:
        patched.setattr(SpawnProcess, "start", start_interrupted)
        with pytest.raises(KeyboardInterrupt):
            processes.run(told(1))
    assert len(started) == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert endings(processes, told(3)) == [("ok", "", {"number": 3})]


def test_a_process_hears_no_interrupt_from_its_first_moment(processes, monkeypatch):
    start = SpawnProcess.start

    def start_and_interrupt(process):
        start(process)
        os.kill(process.pid, signal.SIGINT)

    processes.close()
    monkeypatch.setattr(SpawnProcess, "start", start_and_interrupt)
    assert endings(processes, told(3, 4)) == [("ok", "", {"number": 3}), ("ok", "", {"number": 4})]
    for worker in processes._workers:
        os.kill(worker.process.pid, signal.SIGINT)
    assert endings(processes, told(5, 6)) == [("ok", "", {"number": 5}), ("ok", "", {"number": 6})]


@pytest.mark.parametrize("executor", [InProcessExecutor(), None], ids=["here", "processes"])
def test_the_cpu_time_of_a_unit_is_what_it_computed_not_what_it_slept(processes, executor):
    (ended,) = (executor or processes).run(tasks_of(Burns(cpu_s=0.3)))
    assert ended.outcome == "ok"
    assert ended.seconds > 0.55
    assert 0.25 < ended.cpu_s < 0.5


def test_the_cpu_time_of_what_was_ended_from_outside_is_known_too(processes):
    (ended,) = processes.run(tasks_of(BurnsAndHangs(cpu_s=0.3)))
    assert "longer than its deadline" in ended.reason
    assert 0.25 < ended.cpu_s < 0.7


_ORPHANS = """
import sys
from skymesh.runtime.execute import Task
from skymesh.runtime.process_pool import ProcessExecutor
from support.bad_units import Answer, Waits

if __name__ == "__main__":
    ProcessExecutor(1).run([Task(bytes(16), Waits(diary=sys.argv[1]), Answer, {})])
"""


def test_no_process_outlives_the_one_that_asked_whatever_it_is_at(tmp_path):
    diary, code = tmp_path / "diary", tmp_path / "parent.py"
    code.write_text(_ORPHANS)
    parent = subprocess.Popen([sys.executable, code, diary], env=with_path())
    wait_until(
        lambda: parent.poll() is not None or (diary.exists() and diary.read_text()), "the unit runs", 120
    )
    child = int(diary.read_text())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_until(lambda: not is_alive(child), "its process is gone", 10)
