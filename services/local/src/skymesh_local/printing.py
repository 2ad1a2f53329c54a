"""What commands print for people."""

from __future__ import annotations

import csv
import inspect
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.tree import Tree

from skymesh.errors import SettingsError
from skymesh.jobs.plan import ChannelPlan, JobPlan
from skymesh.units import installed
from skymesh_local.audit import Audit
from skymesh_local.run import Finished
from skymesh_local.unit_document import describe

_ROWS = 12
_ID = re.compile(r"[a-z]+:[0-9a-f]{32}")


def print_run(finished: Finished) -> None:
    """Print the numbers of a run, and the beginning of its tables."""
    console, numbers = Console(markup=False, highlight=False), finished.numbers
    alerts = numbers["alerts"]
    console.print(
        f"{numbers['run']}  {alerts['read']} packets read, {alerts['published']} published,"
        f" {alerts['duplicate']} duplicate, {alerts['dead']} dead, in {numbers['seconds']} s"
    )
    for name, channel in numbers["channels"].items():
        console.print(
            f"  {name}: {channel['accepted']} accepted, {channel['rejected']} rejected,"
            f" {channel['states']} states, {channel['reactions']} reactions"
        )
    console.print(f"  digest {numbers['digest']}")
    console.print(f"  results {numbers['results_digest']}")
    for product in finished.products:
        if product.endswith(".csv"):
            _print_csv(console, finished.folder / product)
    files = [*_by_folder(finished.products), *(f"{name}/" for name in finished.messages)]
    console.print(f"files in {finished.folder}: {', '.join(files) or 'the store alone'}", soft_wrap=True)
    console.print(f"to look at: {finished.page}", soft_wrap=True)


def _by_folder(products: Sequence[str]) -> list[str]:
    """Return the names of files, and of folders with the number of files in them."""
    folders = Counter(name.partition("/")[0] for name in products if "/" in name)
    files = [name for name in products if "/" not in name]
    return files + [f"{folder}/ ({count} files)" for folder, count in folders.items()]


def _print_csv(console: Console, path: Path) -> None:
    with path.open(newline="") as stream:
        reader = csv.DictReader(stream)
        rows = [row for row, _ in zip(reader, range(_ROWS), strict=False)]
        more = sum(1 for _ in reader)
    if not rows:
        return
    telling = [name for name in rows[0] if _is_telling(name, rows)]
    columns = _fitting(telling, rows, console.width)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(*(_short(row[column]) for column in columns))
    console.print(table)
    left_out = len(rows[0]) - len(columns)
    console.print(f"{path.name}: {more} more rows, {left_out} more columns", highlight=False)


def _fitting(columns: list[str], rows: list[dict[str, str]], width: int) -> list[str]:
    """Return as many columns as fit beside each other."""
    chosen, used = [], 0
    for column in columns:
        used += max(len(column), *(len(_short(row[column])) for row in rows)) + 3
        if used > width:
            break
        chosen.append(column)
    return chosen or columns[:1]


def _is_telling(column: str, rows: list[dict[str, str]]) -> bool:
    """Return whether a column tells rows apart, and not by ids."""
    values = {row[column] for row in rows}
    is_constant = len(values) == 1 and (column == "channel" or not any(values))
    return not is_constant and not any(_ID.match(value) for value in values)


def _short(text: str) -> str:
    try:
        return text if text.lstrip("-").isdigit() else f"{float(text):.3f}"
    except ValueError:
        return text


def print_plan(plan: JobPlan) -> None:
    """Print a job's plan."""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(f"job:{plan.id.hex()}  {plan.name}")
    for channel in plan.channels:
        _print_channel(console, channel)
    for summary in plan.summaries:
        ref = summary.summary.ref
        console.print(
            f"  {summary.name} = {ref.unit} {ref.version} of {', '.join(summary.channels)}"
            f" to {', '.join(summary.outlets)}"
        )


def _print_channel(console: Console, channel: ChannelPlan) -> None:
    console.print(
        f"  {channel.name}  sees {', '.join(sorted(channel.grants))}{', follows' if channel.follow else ''}"
    )
    for role, configured in (
        ("filter", channel.filter),
        ("combine", channel.combiner),
        ("curve", channel.tabulator),
    ):
        console.print(f"    {role} = {configured.ref.unit} {configured.ref.version}")
    for instance in channel.instances:
        wires = [f"{w.hint.name}: {', '.join(w.sources) or w.hint.kind.value}" for w in instance.wires]
        pool = f" in pool {instance.pool}" if instance.pool else ""
        console.print(
            f"    {instance.name} = {instance.ref.unit} {instance.ref.version} ({'; '.join(wires)}){pool}"
        )
    for reaction in channel.reactions:
        console.print(
            f"    {reaction.name} = {reaction.ref.unit} {reaction.ref.version} when {reaction.when.text},"
            f" once for each {reaction.once}, to {', '.join(reaction.outlets)}"
        )


def print_object(told: dict[str, Any]) -> None:
    """Print an object."""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    names = ", ".join(f"{key} {value}" for key, value in told["attributes"].items())
    console.print(f"{told['stock']}  {names}{'  as seen by ' + told['channel'] if told['channel'] else ''}")
    console.print(f"{len(told['alerts'])} alerts")
    for alert in told["alerts"]:
        said = "; ".join(f"{v['channel']} {v['verdict']} {v['reason']}".rstrip() for v in alert["verdicts"])
        console.print(
            f"  {alert['id']}  {alert['native']}{' duplicate' if alert['is_duplicate'] else ''}  {said}"
        )
    console.print(f"{len(told['points'])} points")
    for point in told["points"]:
        labels = " ".join(point["labels"])
        console.print(
            f"  {point['id']}  {point['mjd_tai']:.5f} TAI  {point['kind']:9} {point['native']}  {labels}"
        )
    console.print(f"{len(told['states'])} states")
    for state in told["states"]:
        results = "  ".join(f"{name} {id_}" for name, id_ in state["results"].items())
        console.print(f"  {state['id']}  {state['channel']}  {len(state['points'])} points  {results}")
    console.print(f"{len(told['results'])} results")
    for result in told["results"]:
        said = (
            json.dumps(result["content"])
            if result["outcome"] == "ok"
            else f"{result['outcome']}: {result['reason']}"
        )
        console.print(f"  {result['id']}  {result['unit']} {result['version']}  {said}")
    console.print(f"{len(told['reactions'])} reactions")
    for reaction in told["reactions"]:
        files = ", ".join(place["name"] for place in reaction["receipt"] or ()) or reaction["fate"]
        console.print(f"  {reaction['id']}  {reaction['channel']}.{reaction['instance']}  {files}")
    for expired in told["expired"]:
        console.print(f"{expired['of']} expired on {expired['expired_utc']} (class {expired['class']})")


def print_trace(told: dict[str, Any]) -> None:
    """Print where an id comes from, as a tree."""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    tree = Tree(told["id"])
    _grow(tree, {key: value for key, value in told.items() if key != "id"})
    console.print(tree)


def _grow(tree: Tree, value: Any) -> None:
    items = value.items() if isinstance(value, dict) else ((None, item) for item in value)
    for key, item in items:
        label = "" if key is None else f"{key}: "
        if isinstance(item, dict | list) and item:
            title = item.get("id", "") if isinstance(item, dict) else ""
            branch = tree.add(f"{label}{title}".rstrip() or "·")
            _grow(branch, {k: v for k, v in item.items() if k != "id"} if isinstance(item, dict) else item)
        elif item not in (None, [], {}):
            tree.add(f"{label}{item}")


def _first_line(unit_name: str) -> str:
    try:
        doc = inspect.getdoc(installed.load(unit_name)) or ""
    except SettingsError as error:
        return f"({error})"
    return doc.partition("\n")[0]


def print_audit(found: Audit) -> None:
    """Print an audit."""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    said = ", ".join(f"{count} {name}" for name, count in found.packets.items())
    console.print(f"run:{found.run.id.hex()}  {'NOT balanced' if found.holes else 'balanced'}")
    waiting = ", ".join(f"{count} before {tier}" for tier, count in found.waiting.items())
    in_flight = f"{found.inflight} records in flight{f' ({waiting})' if waiting else ''}"
    console.print(f"  packets: {said}; {in_flight}")
    console.print(f"  digest {found.digest}  results {found.results_digest}")
    for note in found.notes:
        console.print(f"  note: {note}")
    for hole in found.holes:
        console.print(f"  hole: {hole}")


def print_units(name: str) -> None:
    """Print the installed units, or one of them with its parameters."""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    if not name:
        for unit_name in installed.units():
            console.print(f"{unit_name:20} {_first_line(unit_name)}")
        return
    told = describe(name)
    console.print(f"{told.name} {told.version}, {told.kind} ({told.source})\n\n{told.text}\n")
    makes = f"makes {told.makes}" if told.makes else ""
    for title, entries in (
        ("parameters", told.parameters), ("inputs", told.inputs), (makes, told.output)
    ):  # fmt: skip
        if entries:
            console.print(title)
        for entry in entries:
            console.print(f"  {entry.name}: {entry.what}")
            if entry.meaning:
                console.print(f"      {entry.meaning}")
