"""Units as nobody should write them, each bad in its own way."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skymesh.units import (
    Analyser,
    Filter,
    LightCurve,
    Message,
    MissingInputError,
    ProductFile,
    Reactor,
    Result,
    Summary,
    TransientError,
    Verdict,
)


class Answer(Result):
    number: int


class Follower(Result):
    number: int


class Fine(Analyser):
    version = "1"

    def run(self, curve: LightCurve) -> Answer:
        return Answer(number=len(curve))


class BuildsOn(Analyser):
    version = "1"

    def run(self, answer: Answer) -> Follower:
        return Follower(number=answer.number)


class Sleeps(Analyser):
    version = "1"
    deadline_s = 0.2

    def run(self, curve: LightCurve) -> Answer:
        time.sleep(3600)


class Swallows(Analyser):
    version = "1"
    deadline_s = 0.2

    def run(self, curve: LightCurve) -> Answer:
        while True:
            with contextlib.suppress(Exception):
                time.sleep(3600)


class Exits(Analyser):
    version = "1"

    def run(self, curve: LightCurve) -> Answer:
        sys.exit(0)


class Interrupts(Analyser):
    version = "1"

    def run(self, curve: LightCurve) -> Answer:
        raise KeyboardInterrupt


class Dies(Analyser):
    version = "1"

    def run(self, curve: LightCurve) -> Answer:
        os._exit(5)


class Raises(Analyser):
    version = "1"

    def run(self, curve: LightCurve) -> Answer:
        raise ValueError("no such\nthing")


class Lies(Analyser):
    version = "1"

    def run(self, curve: LightCurve) -> Answer:
        return Follower(number=1)


class Mistypes(Analyser):
    version = "1"

    def run(self, curve: LightCurve) -> Answer:
        return Answer(number="1")


class Lacks(Analyser):
    version = "1"

    def run(self, curve: LightCurve) -> Answer:
        raise MissingInputError("nothing to work on")


class Garbles(Analyser):
    """Its reason is no text that can be written."""

    version = "1"

    def run(self, curve: LightCurve) -> Answer:
        raise ValueError("bad \ud800")


class LacksGarbled(Analyser):
    version = "1"

    def run(self, curve: LightCurve) -> Answer:
        raise MissingInputError("no \ud800")


class LacksNumber(Analyser):
    version = "1"

    def run(self, curve: LightCurve) -> Answer:
        raise MissingInputError(5)


class MuteError(MissingInputError):
    def __str__(self) -> str:
        raise RuntimeError("nothing to say")


class LacksWords(Analyser):
    version = "1"

    def run(self, curve: LightCurve) -> Answer:
        raise MuteError("unsaid")


class Overflows(Analyser):
    """Its result is more than a store holds in a number."""

    version = "1"

    def run(self, curve: LightCurve) -> Answer:
        return Answer(number=2**70)


class Word(Result):
    text: str


class Misspells(Analyser):
    version = "1"

    def run(self, curve: LightCurve) -> Word:
        return Word(text="a\ud800b")


class Numbered(Result):
    by_number: dict[int, float]


class Numbers(Analyser):
    """Its result has keys that are no text."""

    version = "1"

    def run(self, curve: LightCurve) -> Numbered:
        return Numbered(by_number={1: 1.0})


class TellsFine(Reactor):
    version = "1"

    def react(self, answer: Answer) -> Message:
        return Message("a.xml", "text/xml", b"fine")


class TellsNoType(Reactor):
    version = "1"

    def react(self, answer: Answer) -> Message:
        return Message("a.xml", None, b"x")


class TellsGarbledType(Reactor):
    version = "1"

    def react(self, answer: Answer) -> Message:
        return Message("a.xml", "text/\ud800", b"x")


class TellsNumberedName(Reactor):
    version = "1"

    def react(self, answer: Answer) -> Message:
        return Message(5, "text/xml", b"x")


class TellsGarbledProblem(Reactor):
    version = "1"

    def react(self, answer: Answer) -> Message:
        raise ValueError("bad \ud800")


class TellsGarbledLack(Reactor):
    version = "1"

    def react(self, answer: Answer) -> Message:
        raise MissingInputError("no \ud800")


class Hoards(Analyser):
    version = "1"

    def run(self, curve: LightCurve) -> Answer:
        raise MemoryError


class Away(Analyser):
    version = "1"
    flag: str

    def run(self, curve: LightCurve) -> Answer:
        if not Path(self.flag).exists():
            Path(self.flag).touch()
            raise TransientError("the service does not answer")
        return Answer(number=1)


class LateOnce(Analyser):
    version = "1"
    deadline_s = 0.2
    flag: str

    def run(self, curve: LightCurve) -> Answer:
        if not Path(self.flag).exists():
            Path(self.flag).touch()
            time.sleep(3600)
        return Answer(number=1)


class StaysAway(Analyser):
    version = "1"
    flag: str

    def run(self, curve: LightCurve) -> Answer:
        if not Path(self.flag).exists():
            raise TransientError("the service does not answer")
        return Answer(number=1)


class Hurried(Analyser):
    version = "1"
    deadline_s = 3.0
    diary: str = ""

    def run(self) -> Answer:
        _note(self)
        return Answer(number=1)


class Leisurely(Analyser):
    """Its batch form takes longer than others may."""

    version = "1"
    pause_s: float = 0.0
    diary: str = ""

    def run_many(self, inputs: Sequence[Mapping[str, Any]]) -> Sequence[Result | Exception]:
        _note(self)
        time.sleep(self.pause_s)
        return [Answer(number=2) for _ in inputs]


class FailsTogether(Analyser):
    """Gives up on many late in its time, and takes as long for one."""

    version = "1"
    deadline_s = 4.0

    def run(self) -> Answer:
        time.sleep(2.3)
        return Answer(number=3)

    def run_many(self, inputs: Sequence[Mapping[str, Any]]) -> Sequence[Result | Exception]:
        time.sleep(2.3)
        raise RuntimeError("not together")


class KilledOnce(Analyser):
    """Somebody kills its process, the first time."""

    version = "1"
    flag: str

    def run(self) -> Answer:
        if not Path(self.flag).exists():
            Path(self.flag).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return Answer(number=4)


class KilledByOne(Analyser):
    """Its process dies of one input, whatever it is given beside it."""

    version = "1"

    def run(self, number: int) -> Answer:
        if number == 13:
            os._exit(5)
        return Answer(number=number)

    def run_many(self, inputs: Sequence[Mapping[str, Any]]) -> Sequence[Result | Exception]:
        return [self.run(given["number"]) for given in inputs]


class Burns(Analyser):
    """Computes for some time, and sleeps as long."""

    version = "1"
    deadline_s = 15.0
    cpu_s: float

    def run(self) -> Answer:
        start = time.process_time()
        while time.process_time() - start < self.cpu_s:
            pass
        time.sleep(self.cpu_s)
        return Answer(number=5)


class BurnsAndHangs(Burns):
    """Hangs then, so that nothing ends it from within."""

    version = "1"
    deadline_s = 4.0

    def run(self) -> Answer:
        super().run()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
        time.sleep(3600)
        return Answer(number=5)


class Arrives:
    """A number that takes its time on the way to another process."""

    def __init__(self, number: int, after_s: float) -> None:
        self._number, self._after_s = number, after_s

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrived, (self._number, self._after_s)


def _arrived(number: int, after_s: float) -> int:
    time.sleep(after_s)
    return number


class Repeats(Analyser):
    version = "1"
    deadline_s = 3.0

    def run(self, number: int) -> Answer:
        return Answer(number=number)


class WaitsOnce(Analyser):
    """Never comes back, the first time."""

    version = "1"
    flag: str

    def run(self, curve: LightCurve) -> Answer:
        if not Path(self.flag).exists():
            Path(self.flag).touch()
            time.sleep(3600)
        return Answer(number=len(curve))


class Waits(Analyser):
    """Says which process it is in, and does not end."""

    version = "1"
    diary: str

    def run(self) -> Answer:
        Path(self.diary).write_text(str(os.getpid()))
        time.sleep(3600)
        return Answer(number=6)


def _note(unit: Hurried | Leisurely) -> None:
    if unit.diary:
        with Path(unit.diary).open("a") as stream:
            stream.write(f"{type(unit).__name__} ")


class ExitingFilter(Filter):
    version = "1"

    def accept(self, alert):
        sys.exit(0)


class WrongFilter(Filter):
    version = "1"

    def accept(self, alert):
        return True


class GarblingFilter(Filter):
    version = "1"

    def accept(self, alert):
        return Verdict(False, "bad \ud800")


class WordlessFilter(Filter):
    version = "1"

    def accept(self, alert):
        return Verdict(False, None)


class UndecidedFilter(Filter):
    version = "1"

    def accept(self, alert):
        return Verdict(np.array([True, False]))


class RaisingFilter(Filter):
    version = "1"

    def accept(self, alert):
        if alert.value("magpsf") > 19.5:
            raise ValueError("too faint for me")
        return Verdict(True)


class Marks(Analyser):
    version = "1"

    def run(self, curve: LightCurve) -> Answer:
        raise MissingInputError("<b>bold</b> & 'so on'")


class Escapes(Summary):
    version = "1"
    name: str

    def summarise(self, name, views):
        yield ProductFile(self.name, [b"here"])


class Breaks(Summary):
    version = "1"

    def summarise(self, name, views):
        yield ProductFile("half.txt", self._pieces())

    def _pieces(self):
        yield b"half"
        raise ValueError("no more")


class Draws(Summary):
    version = "1"

    def with_curve(self, views):
        raise RuntimeError("cannot choose")

    def summarise(self, name, views):
        yield ProductFile("never.txt", [b""])
