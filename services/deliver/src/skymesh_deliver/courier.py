"""Sending through an outlet that cannot promise exactly once: attempts, leases, and a policy for doubt."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, NamedTuple, NoReturn

from msgspec.structs import replace

from skymesh.errors import (
    DeliveryPendingError,
    DeliveryRefusedError,
    DeliveryUnclearError,
    MeshError,
    OutletUnavailableError,
)
from skymesh.model.ids import Digest, text_id
from skymesh.model.reaction import Attempt, Held, Receipt, standing
from skymesh.runtime.loop import Checkpoint
from skymesh.runtime.outlet import Outlet, Parcel
from skymesh.store.store import Keys, TierStore
from skymesh_deliver.attempts import Policy, Step, next_number, next_step
from skymesh_deliver.fates import held_back

_MARGIN_S: Final = 10.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 60.0
# Far more than the batches of a worker's partitions hold.
_MOST_SENT: Final = 1000


class _Known(NamedTuple):
    """What the store says of a reaction."""

    receipts: list[Receipt]
    attempts: list[Attempt]
    held: Held | None


def now_ms() -> int:
    """Return the time, ms of Unix time (UTC)."""
    return time.time_ns() // 1_000_000


class Courier:
    """Hands parcels to an outlet, each with an attempt written before; see `skymesh_deliver.attempts`.

    What it does not send it leaves to the tier: the store then says why, and the batch is decided again.

    Parameters
    ----------
    outlet
        What it sends through.
    store, log
        Where attempts lie.
    policy
        What to do if nobody knows whether something was sent.
    message_s
        How long the outlet takes for a message at most, in seconds.
    clock_ms
        Tells the time, ms of Unix time (UTC).
    checkpoint
        Called once an attempt is written.
    """

    def __init__(
        self,
        outlet: Outlet,
        store: TierStore,
        log: Digest,
        policy: Policy,
        *,
        message_s: float,
        clock_ms: Callable[[], int] = now_ms,
        checkpoint: Checkpoint = lambda _: None,
    ) -> None:
        self._outlet = outlet
        self._store = store
        self._log = log
        self._policy: Policy = policy
        self._message_s = message_s
        self._clock_ms = clock_ms
        self._checkpoint = checkpoint
        # Nobody else has it, not even this process once it was started again.
        self._worker = uuid.uuid4().hex
        self._failures = 0
        self._sent: deque[Digest] = deque(maxlen=_MOST_SENT)
        self._left_behind: set[asyncio.Task[None]] = set()

    async def deliver(self, parcel: Parcel) -> None:
        """Send a parcel, unless somebody else may be doing so or did so.

        One that we have sent ourselves only lacks its receipt, which the store did not take. Cancelled while
        it sends, as where a partition goes to somebody else, it leaves that to end by itself within its
        lease, and the receipt is written: nobody has to ask what became of it.

        Raises
        ------
        DeliveryPendingError
            If it was not sent, or was and is held back since.
        OutletUnavailableError
            If the outlet does not take it now; under ``resend`` also if nobody knows.
        """
        known = await self._known(parcel)
        if parcel.intent.id in self._sent and not known.receipts and known.held is None:
            return
        await self._go_on_if(parcel, known, self._step(known))
        attempt = self._attempt(parcel, known)
        await self._store.write([attempt])
        known = await self._known(parcel)
        known = known._replace(attempts=[other for other in known.attempts if other != attempt])
        step = self._step(known)
        if step.what != "send":
            await self._store.write([replace(attempt, status="withdrawn")])
        await self._go_on_if(parcel, known, step)
        self._checkpoint(f"deliver.{parcel.outlet} attempted")
        sending = asyncio.create_task(self._send(parcel, attempt))
        try:
            await asyncio.shield(sending)
        except asyncio.CancelledError:
            self._leave_behind(sending, parcel)
            raise
        self._sent.append(parcel.intent.id)
        self._failures = 0

    def _leave_behind(self, sending: asyncio.Task[None], parcel: Parcel) -> None:
        """Have the receipt written of what is being sent, once it has gone."""

        async def see_out() -> None:
            # What it fails with is noted with its attempt, or nobody knows.
            with suppress(MeshError):
                await sending
                await self._store.write([parcel.receipt])

        task = asyncio.create_task(see_out())
        # The event loop keeps no task alive.
        self._left_behind.add(task)
        task.add_done_callback(self._left_behind.discard)

    async def _known(self, parcel: Parcel) -> _Known:
        id_ = parcel.intent.id
        asked = frozenset({id_})
        found = await self._store.read(self._log, Keys(receipts=asked, attempts=asked, held=asked))
        ours = [receipt for receipt in found.receipts[id_] if receipt.way == parcel.receipt.way]
        return _Known(ours, found.attempts[id_], standing(found.held[id_]))

    def _step(self, known: _Known) -> Step:
        if known.receipts:
            return Step("ask", reason="was told meanwhile")
        return next_step(known.attempts, known.held, self._policy, self._clock_ms())

    async def _go_on_if(self, parcel: Parcel, known: _Known, step: Step) -> None:
        """Pass if it may be sent.

        Raises
        ------
        DeliveryPendingError
            If not.
        """
        if step.what == "hold":
            await self._hold(parcel, step.reason, next_number(known.attempts, known.held) - 1)
        if step.what != "send":
            self._put_off(parcel, step.reason, step.pause_s)

    def _attempt(self, parcel: Parcel, known: _Known) -> Attempt:
        now = self._clock_ms()
        lease_s = len(parcel.items) * self._message_s + _MARGIN_S
        return Attempt(
            parcel.intent.id,
            next_number(known.attempts, known.held),
            self._worker,
            parcel.intent.run,
            parcel.intent.target,
            now,
            now + int(1000 * lease_s),
        )

    async def _send(self, parcel: Parcel, attempt: Attempt) -> None:
        left_s = (attempt.lease_until_utc_ms - self._clock_ms()) / 1000
        try:
            async with asyncio.timeout(left_s):
                await self._outlet.deliver(parcel)
        except DeliveryRefusedError as error:
            await self._refused(parcel, attempt, error.problem)
        except DeliveryUnclearError as error:
            await self._unclear(parcel, attempt, error.problem, error.pause_s)
        except TimeoutError:
            await self._unclear(parcel, attempt, "no answer before its lease was over")
        except OutletUnavailableError as error:
            await self._store.write([replace(attempt, status="withdrawn")])
            raise self._away(error.problem, error.where, error.pause_s) from None

    async def _refused(self, parcel: Parcel, attempt: Attempt, reason: str) -> NoReturn:
        await self._hold(parcel, reason, attempt.number)
        self._put_off(parcel, reason)

    async def _unclear(self, parcel: Parcel, attempt: Attempt, reason: str, pause_s: float = 0.0) -> NoReturn:
        await self._store.write([replace(attempt, status="unclear")])
        if self._policy == "hold":
            await self._refused(parcel, attempt, f"nobody knows whether it was sent: {reason}")
        raise self._away(reason, text_id("reaction", parcel.intent.id), pause_s)

    async def _hold(self, parcel: Parcel, reason: str, attempts: int) -> None:
        """Hold it back after an attempt, unless it was told or something else counts more."""
        since_utc = datetime.fromtimestamp(self._clock_ms() / 1000, UTC).isoformat(timespec="milliseconds")
        held = held_back(parcel.intent, reason, since_utc, attempts=attempts)
        known = await self._known(parcel)
        if not known.receipts and (known.held is None or standing([known.held, held]) is held):
            await self._store.write([held])

    def _put_off(self, parcel: Parcel, reason: str, pause_s: float = 0.0) -> NoReturn:
        where = text_id("reaction", parcel.intent.id)
        raise DeliveryPendingError(reason, where=where, pause_s=pause_s)

    def _away(self, problem: str, where: str, pause_s: float) -> OutletUnavailableError:
        """Return the error of an outlet that does not take anything; each further one pauses for longer."""
        growing_s = _FIRST_PAUSE_S * 2 ** min(self._failures, 20)
        self._failures += 1
        return OutletUnavailableError(
            problem, where=where, pause_s=max(pause_s, min(growing_s, _LONGEST_PAUSE_S))
        )
