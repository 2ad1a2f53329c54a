"""Auditing T3: whatever fired is intended, and whatever is intended fired."""

from __future__ import annotations

from skymesh.jobs.reactions import VIEW
from skymesh.model.execution import Line
from skymesh.model.ids import text_id
from skymesh.model.reaction import Intent, letters_digest, reaction_id
from skymesh.model.run import JobRecord
from skymesh.store.store import Store
from skymesh_local.audit_journal import Journal

_REASONED = frozenset({"held", "silent", "missing", "failed"})


async def audit_reactions(store: Store, journal: Journal) -> list[str]:
    """Compare the states that T3 viewed, what its journal says of each reaction, and the intents."""
    job = await store.get(JobRecord, id=journal.run.job)
    channels = job.resolved["channels"] if job else {}
    holes: list[str] = []
    fired: dict[str, tuple[str, str, Line]] = {}
    for channel, spec in channels.items():
        viewed = {line.subject for line in _lines(journal, channel, VIEW)}
        for name in spec.get("react", ()):
            lines = _lines(journal, channel, name)
            judged = {line.subject for line in lines}
            holes += [f"{channel}.{name}: nothing is said of {state}" for state in sorted(viewed - judged)]
            holes += [f"{channel}.{name}: {state} was not viewed" for state in sorted(judged - viewed)]
            holes += [
                f"{channel}.{name}: {line.subject} is {line.outcome} without a reason"
                for line in lines
                if line.outcome in _REASONED and not line.reason
            ]
            fired |= {id_: (channel, name, line) for line in lines for id_ in line.output}
    return holes + await _intent_holes(store, journal, fired)


def _lines(journal: Journal, channel: str, instance: str) -> list[Line]:
    return [
        line
        for entry in journal.of("t3")
        if (entry.channel, entry.instance) == (channel, instance)
        for line in entry.lines
    ]


async def _intent_holes(store: Store, journal: Journal, fired: dict[str, tuple[str, str, Line]]) -> list[str]:
    """Compare the intents with the journal; those of a batch that was not committed may stand beside."""
    holes: list[str] = []
    kept: set[str] = set()
    async for intent in store.scan(Intent, run=journal.run.id):
        if not journal.covers(intent.position):
            continue
        name = text_id("reaction", intent.id)
        kept.add(name)
        subject = intent.stock if intent.once == "stock" else intent.state
        if reaction_id(intent.ref, intent.channel, intent.target, intent.once, subject) != intent.id:
            holes.append(f"{name} is not the digest of what it says")
        if letters_digest(intent.letters) != intent.digest:
            holes.append(f"the messages of {name} are not what their digest says")
        if name in fired:
            channel, instance, line = fired[name]
            said = (channel, instance, line.subject, line.stock)
            if said != (intent.channel, intent.instance, text_id("state", intent.state), intent.stock):
                holes.append(f"{name} is not what T3's journal says")
        elif not any(map(journal.waiting, ("t1", "t2", "t3"))):
            holes.append(f"{name} is not in T3's journal")
    return holes + [f"{name} fired and is not in the store" for name in sorted(fired.keys() - kept)]
