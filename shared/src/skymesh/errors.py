"""The errors of the mesh. The class decides the fate of what raised it.

::

    MeshError
    ├─ SettingsError             the user's input is wrong: one line, exit 2
    │   ├─ JobError              a job file: one line for each mistake
    │   └─ NotFoundError         an id, object or run that is not there or may not be seen
    ├─ PacketError               a packet is bad: dead letter, never retried
    │   ├─ UndecodableAlertError the bytes are no such record
    │   ├─ UnknownSchemaError    no survey knows the schema
    │   ├─ InvalidDataPointError a value that must be there is missing or impossible
    │   └─ PoisonError           a tier cannot handle it, whatever it is
    ├─ UnitError                 science code: an outcome with its reason; the channel goes on
    │   ├─ MissingInputError     the unit cannot work without it: outcome ``missing``
    │   ├─ UnitTimeoutError      its deadline passed: ``failed``, not remembered
    │   └─ UnitFailedError       anything else: ``failed``
    ├─ TransientError            a service is away: nothing is committed; again later
    │   ├─ BrokerUnavailableError
    │   ├─ StoreUnavailableError
    │   ├─ SchemaRegistryUnavailableError
    │   ├─ EpochEndedError       the log goes on in other topics
    │   └─ OutletUnavailableError
    │       ├─ DeliveryUnclearError  it may have taken what was sent, or not
    │       └─ DeliveryPendingError  one reaction is not settled yet; others are not concerned
    ├─ DeliveryRefusedError      an outlet will never take it: held back for a person
    └─ InvariantError            our bug, or a store that was tampered with: stop at once
"""

from __future__ import annotations

from typing import ClassVar


def one_line(text: str) -> str:
    """Return a text as one line that can be written anywhere: what has no UTF-8 is shown as escapes."""
    return " ".join(text.split()).encode(errors="backslashreplace").decode()


class MeshError(Exception):
    """Any error of the mesh.

    Parameters
    ----------
    problem
        What is wrong, in one line.
    where
        The place: a file, a path in a job, an id; empty if there is none.
    """

    code: ClassVar[str] = "mesh"

    def __init__(self, problem: str, *, where: str = "") -> None:
        super().__init__(problem, where)
        self.problem = problem
        self.where = where

    def __str__(self) -> str:
        return one_line(f"{self.where}: {self.problem}" if self.where else f"{self.problem}")

    def __reduce__(self) -> tuple[object, ...]:
        return (_restored, (type(self), self.problem, self.where))


def _restored(kind: type[MeshError], problem: str, where: str) -> MeshError:
    return kind(problem, where=where)


class SettingsError(MeshError):
    """The user's input is wrong."""

    code = "settings"


class JobError(SettingsError):
    """A job file has mistakes.

    Attributes
    ----------
    lines
        One readable line for each mistake.
    """

    code = "job"

    def __init__(self, problem: str, *, where: str = "", lines: tuple[str, ...] = ()) -> None:
        super().__init__(problem, where=where)
        self.lines = lines or (str(self),)


class NotFoundError(SettingsError):
    """There is nothing of that name, or nothing that the channel may see."""

    code = "not_found"


class PacketError(MeshError):
    """A packet cannot be used; it becomes a dead letter."""

    code = "packet"


class UndecodableAlertError(PacketError):
    """The bytes are no readable record."""

    code = "undecodable"


class UnknownSchemaError(PacketError):
    """The record follows a schema that no survey knows."""

    code = "unknown_schema"


class InvalidDataPointError(PacketError):
    """A value that identifies or places a measurement is missing or impossible."""

    code = "invalid_data_point"


class PoisonError(PacketError):
    """A record on which a tier fails with an error that is none of the mesh's."""

    code = "poison"


class UnitError(MeshError):
    """A unit gave no result."""

    code = "unit"


class MissingInputError(UnitError):
    """What the unit needs is not in its inputs."""

    code = "missing_input"


class UnitTimeoutError(UnitError):
    """A unit ran beyond its deadline."""

    code = "timeout"


class UnitFailedError(UnitError):
    """A unit raised an error or returned something else than its result type."""

    code = "failed"


class TransientError(MeshError):
    """Something outside is away for now.

    Attributes
    ----------
    pause_s
        To ask again before so many seconds have passed is in vain.
    """

    code = "transient"

    def __init__(self, problem: str, *, where: str = "", pause_s: float = 0.0) -> None:
        super().__init__(problem, where=where)
        self.pause_s = pause_s


class BrokerUnavailableError(TransientError):
    """The bus does not answer."""

    code = "broker_unavailable"


class StoreUnavailableError(TransientError):
    """The store does not answer, or cannot write."""

    code = "store_unavailable"


class OutletUnavailableError(TransientError):
    """An outlet does not answer, or cannot write: it has taken nothing."""

    code = "outlet_unavailable"


class DeliveryUnclearError(OutletUnavailableError):
    """Nobody knows whether an outlet has taken what was sent."""

    code = "delivery_unclear"


class DeliveryPendingError(OutletUnavailableError):
    """One reaction waits for another worker, or is held back since; others are not concerned."""

    code = "delivery_pending"


class DeliveryRefusedError(MeshError):
    """An outlet will never take it as it is."""

    code = "delivery_refused"


class SchemaRegistryUnavailableError(TransientError):
    """The schema registry does not answer: nobody can say yet what a message holds."""

    code = "schema_registry_unavailable"


class EpochEndedError(TransientError):
    """The log goes on in other topics, or is about to."""

    code = "epoch_ended"


class InvariantError(MeshError):
    """A law of the mesh is broken."""

    code = "invariant"
