"""The decisions of ingest: which records become alerts, and which are dead."""

from __future__ import annotations

from skymesh.errors import InvalidDataPointError, PacketError
from skymesh.model.alert import Cutouts
from skymesh.model.run import DeadLetter
from skymesh.runtime.tier import Batch, Context, Outcome, Publication
from skymesh.runtime.topics import ALERTS
from skymesh.store.store import Found, Keys
from skymesh.surveys.survey import Shaped
from skymesh_ingest.reading import Packet, Unreadable

PACKETS = "packets"


class Ingest:
    """Shapes packets into alerts.

    Parameters
    ----------
    context
        The run for which is read; its dead letters are kept under it.
    """

    name = "ingest"
    reads = PACKETS
    record_type = Packet

    def __init__(self, context: Context) -> None:
        self._context = context

    def needs(self, batch: Batch[Packet | Unreadable], found: Found) -> Keys:
        """Return nothing: packets say it all."""
        return Keys()

    def process(self, batch: Batch[Packet | Unreadable], found: Found) -> Outcome:
        """Publish what can be shaped, with its image stamps shed; the rest is dead, with the reason."""
        alerts, cutouts, dead = [], [], []
        for record in batch.records:
            shaped = _shaped(record)
            if isinstance(shaped, PacketError):
                dead.append(self._letter(record, shaped))
                continue
            alerts.append(Publication(ALERTS, shaped.alert.stock, shaped.alert))
            if shaped.cutouts is not None and shaped.alert.cutouts is not None:
                cutouts.append(Cutouts(shaped.alert.cutouts, shaped.cutouts))
        return Outcome(documents=tuple(cutouts), records=tuple(alerts), dead=tuple(dead))

    def _letter(self, record: Packet | Unreadable, error: PacketError) -> DeadLetter:
        source = record.source
        return DeadLetter(
            self._context.owner, source.name, source.index, error.code, str(error), bytes(record.payload)
        )


def _shaped(record: Packet | Unreadable) -> Shaped | PacketError:
    if isinstance(record, Unreadable):
        return record.error
    try:
        return record.survey.shape(record.record.value, record.source)
    except PacketError as error:
        return error
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        # The schema is the survey's, but a value is of another type than its fields have.
        problem = f"a value of another type than expected ({' '.join(str(error).split())[:200]})"
        return InvalidDataPointError(problem)
