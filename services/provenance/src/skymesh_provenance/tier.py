"""The decisions of the provenance sink: every entry is kept under its id."""

from __future__ import annotations

from skymesh.model.execution import JournalEntry
from skymesh.runtime.tier import Batch, Outcome, Tier
from skymesh.runtime.topics import PROVENANCE
from skymesh.store.store import Found, Keys


class Provenance(Tier[JournalEntry]):
    """Keeps journal entries."""

    name = "provenance"
    reads = PROVENANCE
    record_type = JournalEntry

    def needs(self, batch: Batch[JournalEntry], found: Found) -> Keys:
        """Return nothing: the entries say it all."""
        return Keys()

    def process(self, batch: Batch[JournalEntry], found: Found) -> Outcome:
        """Store the entries."""
        return Outcome(documents=batch.records)
