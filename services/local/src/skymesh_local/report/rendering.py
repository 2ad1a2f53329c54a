"""From a report to HTML: the template, and how values are written in it."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from skymesh_local.report import drawing
from skymesh_local.report.accounts import Account
from skymesh_t3.columns import flat

if TYPE_CHECKING:
    from skymesh_local.report.page import Report

MOST_PRODUCTS = 100
_PIECES = 500
_SMALL, _LARGE = 1e3, 1e7


def rendered(report: Report) -> Iterator[bytes]:
    """Yield the page of a report in pieces."""
    stream = _environment().get_template("page.html.jinja").stream(report=report)
    stream.enable_buffering(_PIECES)
    return (piece.encode() for piece in stream)


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("skymesh_local", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(count=_count, seconds=_seconds, value=_value, flat=_fields, pairs=_pairs)
    environment.globals.update(drawing=drawing, anchor=anchor, most_products=MOST_PRODUCTS)
    return environment


def anchor(account: Account) -> str:
    """Return the name of an account's place in the page."""
    return "-".join(("journal", account.tier, account.channel.rpartition("/")[2], account.instance))


def _visible(value: Any) -> Any:
    """Return text of a packet or unit with every sign that has no picture spelt out."""
    if isinstance(value, Markup) or not isinstance(value, str) or value.isprintable():
        return value
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in value)


def _count(value: int) -> str:
    return f"{value:,}"


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:,.3f}"


def _value(value: Any) -> str:
    """Return a plain value for a reader: few digits of a float are enough beside a link to all of them."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, float):
        return str(value)
    return f"{value:.4f}" if _SMALL <= abs(value) < _LARGE else f"{value:.6g}"


def _fields(content: dict[str, Any] | None) -> list[tuple[str, Any]]:
    return list(flat(content or {}))


def _pairs(value: dict[str, Any] | list[Any]) -> list[tuple[str | None, Any]]:
    """Return what a branch of plain values holds, without the empty: keys, None for those of a list."""
    items = value.items() if isinstance(value, dict) else ((None, item) for item in value)
    return [(key, item) for key, item in items if item not in (None, "", [], {})]
