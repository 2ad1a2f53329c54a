"""Whether reads meet writes: the arithmetic of replicas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from skymesh.errors import SettingsError
from skymesh.settings.store import Consistency

_COUNTS: Mapping[Consistency, int] = {"ANY": 0, "ONE": 1, "LOCAL_ONE": 1, "TWO": 2, "THREE": 3}


class Answers(NamedTuple):
    """The least that must have answered at a consistency level.

    Attributes
    ----------
    total
        Replicas, wherever they are.
    by_datacentre
        Replicas in datacentres that the level names.
    """

    total: int
    by_datacentre: Mapping[str, int]


def answers(level: Consistency, copies: Mapping[str, int], local: str) -> Answers:
    """Return the least that must have answered.

    Parameters
    ----------
    level
        The consistency level. ``ANY`` is content with a note that a write is to be made.
    copies
        Datacentre → number of replicas in it.
    local
        The datacentre of the client.
    """
    quorums = {datacentre: number // 2 + 1 for datacentre, number in copies.items()}
    if level == "ALL":
        return Answers(sum(copies.values()), copies)
    if level == "EACH_QUORUM":
        return Answers(sum(quorums.values()), quorums)
    if level == "QUORUM":
        return Answers(sum(copies.values()) // 2 + 1, {})
    if level == "LOCAL_QUORUM":
        return Answers(quorums.get(local, 1), {local: quorums.get(local, 1)})
    number = _COUNTS[level]
    return Answers(number, {local: number} if level == "LOCAL_ONE" else {})


def always_meet(read: Answers, write: Answers, copies: Mapping[str, int]) -> bool:
    """Whether at least one replica of every read has every write before it.

    Two sets of replicas can pass each other by exactly if in no datacentre, and not in all together,
    they need more replicas than there are.
    """
    fits_in_each = all(
        read.by_datacentre.get(datacentre, 0) + write.by_datacentre.get(datacentre, 0) <= number
        for datacentre, number in copies.items()
    )
    return not (fits_in_each and read.total + write.total <= sum(copies.values()))


def refuse_unsafe(read: Consistency, write: Consistency, copies: Mapping[str, int], local: str) -> None:
    """Refuse levels at which a read may miss what was written before it.

    Raises
    ------
    SettingsError
        If it may, or if the keyspace has no copies where the client is.
    """
    where = "SKYMESH_STORE_READ_CONSISTENCY, SKYMESH_STORE_WRITE_CONSISTENCY"
    told = ", ".join(f"{number} in {datacentre}" for datacentre, number in sorted(copies.items()))
    if not copies.get(local):
        raise SettingsError(
            f"no copies are kept in {local or 'the datacentre of these nodes'}; there are: {told or 'none'}",
            where="SKYMESH_STORE_LOCAL_DATACENTRE",
        )
    if not always_meet(answers(read, copies, local), answers(write, copies, local), copies):
        raise SettingsError(
            f"reads at {read} may miss what was written at {write}, with copies: {told};"
            " together they must ask more replicas than there are",
            where=where,
        )
