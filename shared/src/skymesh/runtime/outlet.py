"""What the loop asks of an outlet: the door through which something leaves the mesh."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

from skymesh.model.reaction import Intent, Letter, Receipt

Ready = Callable[[], Awaitable[None]]
"""Passes if what a tier's messages are published to is there; else it raises `OutletUnavailableError`."""


async def always_ready() -> None:
    """Pass."""


class Item(NamedTuple):
    """One message of a parcel: what the outlet calls it, and itself."""

    name: str
    letter: Letter


class Parcel(NamedTuple):
    """What is handed to an outlet, and the receipt that is kept once the outlet has it.

    Attributes
    ----------
    intent
        What is told, and by whom. Its `id` is the key by which an outlet knows a repetition.
    items
        Its messages.
    receipt
        The proof.
    """

    intent: Intent
    items: tuple[Item, ...]
    receipt: Receipt

    @property
    def outlet(self) -> str:
        """Name of the outlet."""
        return self.intent.target


class Outlet(Protocol):
    """A door to the outside.

    A parcel may be handed over again after a crash, with the same key and the same bytes; an outlet of
    which the mesh promises "exactly once" makes the second time one with the first.
    """

    async def deliver(self, parcel: Parcel) -> None:
        """Take a parcel; it is out when this returns.

        Raises
        ------
        OutletUnavailableError
            If it cannot be handed over now; nothing was taken. Its children say what else may be.
        DeliveryRefusedError
            If it never will be taken.
        """
