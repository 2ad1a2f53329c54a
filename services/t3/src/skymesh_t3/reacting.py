"""Deciding what is told: each reaction of each completed state, one after the other."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from skymesh.errors import MissingInputError
from skymesh.jobs.reactions import ReactionPlan
from skymesh.model.execution import Line
from skymesh.model.ids import Digest, text_id
from skymesh.model.reaction import Intent, Letter, letters_digest, reaction_id
from skymesh.provenance.journal import Stopwatch
from skymesh.runtime.guard import guarded, text_of
from skymesh.store.store import Found
from skymesh.units.reaction import Message
from skymesh_t3.inputs import ReactionMaterial
from skymesh_t3.sites import Memory, Site

FIRED, HELD, UNMET, SILENT, MISSING, FAILED = "fired", "held", "unmet", "silent", "missing", "failed"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


_Teller = tuple[Digest, str, str, str, str]
"""Run, channel, reaction, target and stock."""


@dataclass(frozen=True)
class _Missed:
    """A unit said itself that something is missing."""

    reason: str


@dataclass(frozen=True)
class _Said:
    """What a unit tells, and its digest."""

    letters: tuple[Letter, ...]
    digest: Digest


@dataclass
class Reacting:
    """Decides the reactions of a batch, in the order of its states.

    What was decided once stands: an intent that is stored is published again as it is, whichever attempt
    made it. So a crash between storing and publishing, and a unit that would not come to the same again,
    change nothing.

    Attributes
    ----------
    found, memory
        What was read, and what the channels had before.
    intents
        What is to be told, new and again.
    lines
        What the journal says, by run, channel and reaction.
    """

    found: Found
    memory: Memory
    intents: list[Intent] = field(default_factory=list)
    lines: dict[tuple[Digest, str, str], list[Line]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        stored = [intent for of_stock in self.found.intents.values() for intent in of_stock]
        self._known = {(intent.run, intent.id): intent for intent in stored}
        self._stored = _by_reaction(stored)
        self._decided: dict[_Teller, list[Intent]] = {}

    def react(self, sites: Iterable[Site]) -> None:
        """Decide all reactions on some states."""
        for site in sites:
            for reaction in site.channel.reactions:
                told = self.lines.setdefault((site.run, site.channel.name, reaction.name), [])
                told += self._react(site, reaction)
            self.memory.note(site)

    def _react(self, site: Site, reaction: ReactionPlan) -> Iterator[Line]:
        """Decide one reaction for each outlet; what its condition takes is told with the first."""
        watch = Stopwatch()
        if not site.meets(reaction, self.found):
            yield _timed(_line(site, UNMET), watch)
            return
        for target in reaction.outlets:
            yield _timed(self._decide(site, reaction, target), watch)
            watch = Stopwatch()

    def _decide(self, site: Site, reaction: ReactionPlan, target: str) -> Line:
        subject = site.stock if reaction.once == "stock" else site.state
        id_ = reaction_id(reaction.ref, site.channel.name, target, reaction.once, subject)
        known = self._known.get((site.run, id_))
        if known is not None and (known.position, known.state) != (site.position, site.state):
            is_late = known.position > site.position
            return _line(site, HELD, f"already told{' of a later alert' if is_late else ''}")
        if known is not None:
            self._take(known)
            return _line(site, FIRED, output=id_, is_memoised=True)
        return self._fire(site, reaction, target, id_)

    def _fire(self, site: Site, reaction: ReactionPlan, target: str, id_: Digest) -> Line:
        last = self._last(site, reaction, target)
        material = ReactionMaterial(site, reaction, id_, self.found, self.memory, last)
        reason = material.missing()
        if reason:
            return _line(site, MISSING, reason)
        said, problem = guarded(functools.partial(_said, reaction, material), reaction.unit.deadline_s)
        if said is None:
            return _line(site, FAILED, problem)
        if isinstance(said, _Missed):
            return _line(site, MISSING, said.reason)
        if not said.letters:
            return _line(site, SILENT, "nothing to tell")
        intent = self._intent(site, reaction, target, id_, material, said)
        self._known[site.run, id_] = intent
        self._take(intent)
        return _line(site, FIRED, output=id_)

    def _take(self, intent: Intent) -> None:
        self.intents.append(intent)
        self._decided.setdefault(_teller(intent), []).append(intent)

    def _last(self, site: Site, reaction: ReactionPlan, target: str) -> Intent | None:
        """Return what the reaction told of the object last before a state.

        At the same position that are the states decided before it, not those of an attempt before.
        """
        teller = (site.run, site.channel.name, reaction.name, target, site.stock)
        told = [intent for intent in self._stored.get(teller, ()) if intent.position < site.position]
        told += [intent for intent in self._decided.get(teller, ()) if intent.position <= site.position]
        # Of equal positions the one that was decided last.
        return max(reversed(told), key=lambda intent: intent.position, default=None)

    def _intent(
        self,
        site: Site,
        reaction: ReactionPlan,
        target: str,
        id_: Digest,
        material: ReactionMaterial,
        said: _Said,
    ) -> Intent:
        return Intent(
            run=site.run,
            id=id_,
            channel=site.channel.name,
            instance=reaction.name,
            ref=reaction.ref,
            target=target,
            once=reaction.once,
            stock=site.stock,
            position=site.position,
            alert=site.alert,
            state=site.state,
            results=site.results,
            inputs=material.entries(),
            letters=said.letters,
            digest=said.digest,
        )


def _teller(intent: Intent) -> _Teller:
    return (intent.run, intent.channel, intent.instance, intent.target, intent.stock)


def _by_reaction(intents: Iterable[Intent]) -> dict[_Teller, list[Intent]]:
    found: dict[_Teller, list[Intent]] = {}
    for intent in intents:
        found.setdefault(_teller(intent), []).append(intent)
    return found


def _said(reaction: ReactionPlan, material: ReactionMaterial) -> _Said | _Missed:
    """Call a reactor and check what it says: whatever cannot be stored or sent is its own failure.

    Raises
    ------
    TypeError, ValueError
        If that cannot be sent.
    """
    try:
        made: Any = reaction.unit.react(**material.arguments())  # type: ignore[attr-defined]  # the plan checked it
    except MissingInputError as error:
        return _Missed(text_of(error))
    messages = () if made is None else (made,) if isinstance(made, Message) else tuple(made)
    letters = tuple(_letter(message) for message in messages)
    if len({letter.name for letter in letters}) < len(letters):
        raise ValueError("two messages have one name")
    return _Said(letters, letters_digest(letters))


def _letter(message: Any) -> Letter:
    if not isinstance(message, Message) or not isinstance(message.body, bytes):
        raise TypeError(f"react returns messages of bytes, not {type(message).__name__}")
    if not isinstance(message.name, str) or not _NAME.fullmatch(message.name):
        raise ValueError(f"no name for a message: {message.name!r}")
    if not isinstance(message.media_type, str):
        raise TypeError(f"a media type is text, not {type(message.media_type).__name__}")
    return Letter(message.name, message.media_type, message.body)


def _line(
    site: Site, outcome: str, reason: str = "", *, output: Digest | None = None, is_memoised: bool = False
) -> Line:
    ids = () if output is None else (text_id("reaction", output),)
    return Line(text_id("state", site.state), site.stock, ids, outcome, reason, is_memoised)


def _timed(line: Line, watch: Stopwatch) -> Line:
    return msgspec.structs.replace(line, seconds=watch.seconds(), cpu_s=watch.cpu_s())
