"""Units as nobody should write them, each bad in its own way."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path

from skymesh.units import (
    Analyser,
    Filter,
    LightCurve,
    MissingInputError,
    ProductFile,
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


class ExitingFilter(Filter):
    version = "1"

    def accept(self, alert):
        sys.exit(0)


class WrongFilter(Filter):
    version = "1"

    def accept(self, alert):
        return True


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
