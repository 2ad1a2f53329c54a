"""``index.html`` of a run: what ran, what it cost, what it found, and where every number comes from."""

from __future__ import annotations

import heapq
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Any

from skymesh.files import write_whole
from skymesh.jobs.plan import ChannelPlan, JobPlan
from skymesh.model.execution import UnitRef
from skymesh.model.reaction import Intent, Receipt
from skymesh.model.run import Product, Run, SourceCount
from skymesh.store.store import Store
from skymesh.units import installed
from skymesh_local.report.accounts import Account, Reason, accounts_of, dead_letters_of
from skymesh_local.report.candidates import Candidate, candidate, choose
from skymesh_local.report.rendering import rendered
from skymesh_local.spool import SpooledViews

PAGE_NAME = "index.html"
MOST_OBJECTS = 100
MOST_REACTIONS = 100


@dataclass(frozen=True)
class Cost:
    """What one unit cost in one channel.

    Attributes
    ----------
    account
        The sum of its journal entries.
    executions
        How often it was asked.
    memoised
        How often the answer was remembered.
    seconds
        Wall time.
    """

    account: Account
    executions: int
    memoised: int
    seconds: float

    @property
    def ms_each(self) -> float | None:
        """Milliseconds per computed execution; None if nothing was computed."""
        computed = self.executions - self.memoised
        return 1000 * self.seconds / computed if computed else None


@dataclass(frozen=True)
class ChannelPart:
    """What the page says of one channel.

    Attributes
    ----------
    plan, numbers
        The channel, and its numbers as ``--json`` has them.
    verdicts
        The account of its filter; None if no alert was read.
    costs
        Its units in the way of an alert.
    candidates
        Objects that are shown.
    objects
        How many there are.
    reactions
        What was told, in order of the log, and under which names; the first of them.
    """

    plan: ChannelPlan
    numbers: dict[str, int]
    verdicts: Account | None
    costs: tuple[Cost, ...]
    candidates: tuple[Candidate, ...]
    objects: int
    reactions: tuple[tuple[Intent, tuple[str, ...]], ...]

    @property
    def short(self) -> str:
        """The channel's name within the job."""
        return self.plan.name.rpartition("/")[2]


@dataclass(frozen=True)
class UsedUnit:
    """A configured unit of the job, and the places where it is used."""

    ref: UnitRef
    parameters: dict[str, Any]
    places: list[str]


@dataclass(frozen=True)
class Report:
    """All that the page says."""

    run: Run
    plan: JobPlan
    numbers: dict[str, Any]
    store_path: Path
    sources: int
    dead: dict[tuple[str, str], Reason]
    channels: tuple[ChannelPart, ...]
    accounts: tuple[Account, ...]
    units: tuple[UsedUnit, ...]
    products: tuple[Product, ...]

    def command(self, id_: str, channel: str = "") -> str:
        """Return the command that traces an id."""
        who = f" --channel {shlex.quote(channel)}" if channel else ""
        return f"skymesh trace {id_} --store {self.store_url}{who}"

    @cached_property
    def store_url(self) -> str:
        """The store's URL, as a shell takes it from any folder."""
        return shlex.quote(f"sqlite:{self.store_path.resolve()}")

    def unit_anchor(self, ref: UnitRef) -> str:
        """Return the name of a unit's place in the page."""
        return f"unit-{1 + [unit.ref for unit in self.units].index(ref)}"

    def account(self, tier: str, channel: str = "", instance: str = "") -> Account | None:
        """Return an account; None if the tier never had anything to read."""
        wanted = (tier, channel, instance)
        return next((a for a in self.accounts if (a.tier, a.channel, a.instance) == wanted), None)


async def write_page(
    store: Store,
    run: Run,
    plan: JobPlan,
    numbers: dict[str, Any],
    views: SpooledViews,
    folder: Path,
    store_path: Path,
) -> None:
    """Write the page of a finished run into its folder.

    It is one file that needs nothing else and no network. Everything in it but the seconds, which the
    journal holds, follows from the run, so a run that is started again leaves it as it was. As equal
    runs differ in their seconds, it is no product: no digest of the run knows of it. Objects, reasons
    and journal entries are shown up to a number that the page says, so that it stays small whatever the
    run read.

    Parameters
    ----------
    store, run, plan
        The run.
    numbers
        Its numbers, as ``--json`` has them.
    views
        The newest views of all its channels.
    folder
        The run's folder.
    store_path
        The store's file, for the commands that one may copy.

    Raises
    ------
    OutletUnavailableError
        If the folder cannot be written.
    """
    report = await report_of(store, run, plan, numbers, views, store_path)
    write_whole(folder / PAGE_NAME, rendered(report))


async def report_of(
    store: Store, run: Run, plan: JobPlan, numbers: dict[str, Any], views: SpooledViews, store_path: Path
) -> Report:
    """Gather what the page says."""
    accounts = await accounts_of(store, run.id)
    most = max(1, MOST_OBJECTS // len(plan.channels))
    channels = []
    for channel in plan.channels:
        chosen = choose(views.of([channel.name]), most)
        candidates = [await candidate(store, run, plan, channel, view) for view in chosen.views]
        channels.append(
            ChannelPart(
                plan=channel,
                numbers=numbers["channels"].get(channel.name, {}),
                verdicts=accounts.get(("t0", channel.name, "filter")),
                costs=tuple(_costs(channel, numbers, accounts)),
                candidates=tuple(candidates),
                objects=chosen.total,
                reactions=await _reactions(store, run, channel),
            )
        )
    return Report(
        run=run,
        plan=plan,
        numbers=numbers,
        store_path=store_path,
        sources=await store.count(SourceCount, run=run.id),
        dead=await dead_letters_of(store, run),
        channels=tuple(channels),
        accounts=tuple(accounts.values()),
        units=tuple(_units(plan)),
        products=tuple([product async for product in store.scan(Product, run=run.id)]),
    )


def _costs(
    channel: ChannelPlan, numbers: dict[str, Any], accounts: dict[tuple[str, str, str], Account]
) -> Iterator[Cost]:
    for tier, instance in (("t0", "filter"), ("t1", "combine")):
        account = accounts.get((tier, channel.name, instance))
        if account is not None:
            yield Cost(account, account.counts.total(), 0, account.seconds)
    for one in channel.instances:
        account = accounts.get(("t2", channel.name, one.name))
        told = numbers["units"].get(f"{channel.name}.{one.name}")
        if account is not None and told is not None:
            executions = told["ok"] + told["missing"] + told["failed"]
            yield Cost(account, executions, told["memoised"], told["seconds"])

    for reaction in channel.reactions:
        account = accounts.get(("t3", channel.name, reaction.name))
        if account is not None:
            yield Cost(account, account.counts.total(), 0, account.seconds)


async def _reactions(
    store: Store, run: Run, channel: ChannelPlan
) -> tuple[tuple[Intent, tuple[str, ...]], ...]:
    """Return the first reactions of a channel, each with the names of its messages at the outlet."""
    first: list[Intent] = []
    async for intent in store.scan(Intent, run=run.id, channel=channel.name):
        first.append(intent)
        if len(first) > 2 * MOST_REACTIONS:
            first = heapq.nsmallest(MOST_REACTIONS, first, key=attrgetter("position"))
    told = []
    for intent in heapq.nsmallest(MOST_REACTIONS, first, key=attrgetter("position")):
        receipt = await store.get(Receipt, run=run.id, id=intent.id)
        told.append((intent, () if receipt is None else tuple(place.name for place in receipt.places)))
    return tuple(told)


def _units(plan: JobPlan) -> Iterator[UsedUnit]:
    """Yield every configured unit once, with the places where the job uses it."""
    places: dict[UnitRef, list[str]] = {}
    for channel in plan.channels:
        places.setdefault(channel.filter.ref, []).append(f"{channel.name} filter")
        places.setdefault(channel.combiner.ref, []).append(f"{channel.name} combine")
        places.setdefault(channel.tabulator.ref, []).append(f"{channel.name} curve")
        for instance in channel.instances:
            places.setdefault(instance.ref, []).append(f"{channel.name}.{instance.name}")
        for reaction in channel.reactions:
            places.setdefault(reaction.ref, []).append(f"{channel.name}.{reaction.name}")
    for summary in plan.summaries:
        places.setdefault(summary.summary.ref, []).append(summary.name)
    parameters = {ref: installed.parameters(unit) for ref, unit in plan.units()}
    for ref, found in places.items():
        yield UsedUnit(ref, parameters[ref], found)
