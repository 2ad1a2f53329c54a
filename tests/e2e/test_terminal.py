"""At a real terminal: progress, tables that fit, and Ctrl-C."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios

import pytest

from e2e.command import COMMAND, PATIENCE_S, audit, environment, forked, lasting, skymesh, write_files
from support.jvm_server import wait_until
from support.packets import JD, container, detection, record

RUN = ("run", "survey_summary", "--alerts", "packets", "--out", "out")
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
CTRL_C = b"\x03"


@pytest.fixture(scope="module")
def packets(tmp_path_factory):
    """Enough alerts for a run that takes some seconds, in several files."""
    history = [detection(jd_utc=JD - day) for day in range(1, 12)]
    files = {}
    for file in range(4):
        records = [
            record(
                object_id=f"ZTF21t{file}x{n:04d}", jd_utc=JD + file + n / 1e4, rcid=n % 60, history=history
            )
            for n in range(400)
        ]
        files[f"{file}.avro"] = container(records)
    return write_files(tmp_path_factory.mktemp("terminal") / "packets", files)


@pytest.fixture(scope="module")
def whole(packets, tmp_path_factory):
    """The numbers of a run that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "packets").symlink_to(packets)
    return forked(*RUN, "--json", cwd=folder).json


class Terminal:
    """A command at a pseudo-terminal of its own, which is also its controlling one."""

    def __init__(self, *arguments, cwd, columns=80):
        self._end, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self.process = subprocess.Popen(
            [COMMAND, *arguments], cwd=cwd, env=environment(TERM="xterm-256color"), start_new_session=True,
            stdin=terminal, stdout=terminal, stderr=terminal,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - no threads here
        )  # fmt: skip
        os.close(terminal)
        self.text = ""

    def read_until(self, pattern):
        """Read until something is shown, or to the end."""
        while re.search(pattern, CONTROL.sub("", self.text)) is None and self._read():
            pass

    def press(self, keys):
        os.write(self._end, keys)

    def end(self):
        """Read to the end; return the exit code and the lines shown."""
        while self._read():
            pass
        os.close(self._end)
        code = self.process.wait(timeout=PATIENCE_S)
        return code, re.split(r"[\r\n]+", CONTROL.sub("", self.text))

    def _read(self):
        try:
            data = os.read(self._end, 1 << 16)
        except OSError:  # the other end is closed
            return False
        self.text += data.decode(errors="replace")
        return bool(data)


@pytest.mark.parametrize("columns", [50, 80, 120, 200])
def test_progress_and_a_table_that_fits_the_terminal(packets, tmp_path, columns):
    terminal = Terminal(*RUN[:3], packets / "0.avro", *RUN[4:], cwd=tmp_path, columns=columns)
    code, lines = terminal.end()
    assert code == 0, lines[-20:]
    assert any(re.search(r"alerts.* \d+/400 ", line) for line in lines)
    assert max(map(len, lines)) <= columns
    # Each row stands in one line, and none of it is cut off.
    rows = [line for line in lines if "ztf:ZTF21t" in line]
    assert len(rows) == 12
    assert all(re.match(r"\W*ztf:ZTF21t0x00\d\d ", row) for row in rows)
    assert "…" not in "".join(rows)
    digests = [line.split() for line in lines if re.search(r"(digest|results) [0-9a-f]{32}$", line)]
    assert [name for name, _ in digests] == ["digest", "results"]  # whole, to be found and copied


def test_away_from_a_terminal_there_is_no_progress(packets, tmp_path):
    done = skymesh(*RUN[:3], packets / "0.avro", *RUN[4:], cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert "400 packets read" in done.out


@pytest.mark.parametrize("more", [(), ("--workers", "2")], ids=["one process", "workers"])
def test_ctrl_c_is_one_line_and_the_same_command_goes_on(packets, whole, tmp_path, more):
    (tmp_path / "packets").symlink_to(packets)
    terminal = Terminal(*RUN, *more, cwd=tmp_path)
    terminal.read_until(r"alerts.* [1-9]\d*/1600 ")
    terminal.press(CTRL_C)
    shown_before = len(terminal.text)
    code, _ = terminal.end()
    assert code == 130
    said = CONTROL.sub("", terminal.text[shown_before:])
    lines = [line for line in re.split(r"[\r\n]+", said.replace("^C", "")) if line and "/1600" not in line]
    assert lines == ["skymesh: stopped; the same command again goes on"]

    again = forked(*RUN, "--json", cwd=tmp_path)
    assert lasting(again.json) == lasting(whole)
    audit(tmp_path / "out" / "store.db", cwd=tmp_path)


@pytest.mark.parametrize("more", [(), ("--workers", "2")], ids=["one process", "workers"])
def test_an_interrupt_away_from_a_terminal_is_one_line_too(packets, tmp_path, more):
    (tmp_path / "packets").symlink_to(packets)
    process = subprocess.Popen(
        [COMMAND, *RUN, *more], cwd=tmp_path, env=environment(), start_new_session=True, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    is_begun = (tmp_path / "out" / "store.db").exists
    wait_until(lambda: process.poll() is not None or is_begun(), "the run to begin", PATIENCE_S)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, out) == (130, "")
    assert err == "skymesh: stopped; the same command again goes on\n"


def test_an_interrupt_while_the_program_starts_is_no_traceback(tmp_path):
    """With ``-v`` Python says what it imports: the first heavy library is when an impatient user gives up."""
    with subprocess.Popen(
        [COMMAND, "units"], cwd=tmp_path, env=environment(PYTHONVERBOSE="1"), text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        while "'numpy'" not in process.stderr.readline() and process.poll() is None:
            pass
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert "Traceback" not in rest
