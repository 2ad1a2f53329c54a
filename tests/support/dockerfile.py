"""A Dockerfile as instructions and stages."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Instruction(NamedTuple):
    """One instruction, its lines joined."""

    word: str
    rest: str


class Stage(NamedTuple):
    """A stage: what it begins from, and its instructions."""

    name: str
    base: str
    instructions: tuple[Instruction, ...]

    def of(self, *words: str) -> list[Instruction]:
        """Return its instructions of some words, in order."""
        return [instruction for instruction in self.instructions if instruction.word in words]


def stages_of(path: Path) -> dict[str, Stage]:
    """Return the stages of a Dockerfile by name, each of which must have one."""
    stages: dict[str, Stage] = {}
    for instruction in _instructions(path.read_text()):
        if instruction.word == "FROM":
            base, _, name = instruction.rest.partition(" AS ")
            stages[name] = Stage(name, base, ())
        else:
            last = stages.popitem()[1]
            stages[last.name] = last._replace(instructions=(*last.instructions, instruction))
    return stages


def lineage(stages: dict[str, Stage], name: str) -> list[Stage]:
    """Return a stage and those it begins from, the nearest first."""
    found = []
    while name in stages:
        found.append(stages[name])
        name = stages[name].base
    return found


def _instructions(text: str) -> list[Instruction]:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [
        Instruction(word, " ".join(rest.split()))
        for word, _, rest in (line.partition(" ") for line in joined.splitlines())
    ]
