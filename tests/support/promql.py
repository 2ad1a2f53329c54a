"""What a PromQL expression speaks of: metrics, labels and functions. No evaluation, no types."""

from __future__ import annotations

import re
from typing import NamedTuple

_TOKEN = re.compile(
    r"""
    (?P<blank>\s+)
    | (?P<string>"[^"]*")
    | (?P<range>\[[^]]*\])
    | (?P<word>\$?[A-Za-z_:][A-Za-z0-9_:]*)
    | (?P<number>\d+(?:\.\d+)?)
    | (?P<sign>=~|!~|!=|==|>=|<=|[-+*/<>=(){},])
    """,
    re.VERBOSE,
)
_LISTS = {"by", "without", "on", "ignoring", "group_left", "group_right"}
_OPERATORS = {"and", "or", "unless", "bool"}


class Names(NamedTuple):
    """The names in an expression."""

    metrics: set[str]
    labels: set[str]
    functions: set[str]


def names_of(expression: str) -> Names:
    """Return the names in an expression.

    Raises
    ------
    ValueError
        If something stands there that is no token, or a parenthesis is left open.
    """
    tokens = _tokens(expression)
    found = Names(set(), set(), set())
    open_, is_list = [], False
    for index, (kind, text) in enumerate(tokens):
        following = tokens[index + 1][1] if index + 1 < len(tokens) else ""
        if text in {"(", "{"}:
            open_.append("list" if is_list else text)
            is_list = False
        elif text in {")", "}"}:
            open_.pop()
        elif kind == "word" and (open_ and open_[-1] in {"{", "list"}):
            found.labels.add(text)
        elif text in _LISTS:
            is_list = True
        elif kind == "word" and text not in _OPERATORS:
            is_function = following == "(" or following in _LISTS
            (found.functions if is_function else found.metrics).add(text)
    if open_:
        raise ValueError(f"left open: {expression}")
    return found


def _tokens(expression: str) -> list[tuple[str, str]]:
    tokens, place = [], 0
    while place < len(expression):
        match = _TOKEN.match(expression, place)
        if match is None or match.lastgroup is None:
            raise ValueError(f"no PromQL from here: {expression[place:]}")
        if match.lastgroup != "blank":
            tokens.append((match.lastgroup, match[0]))
        place = match.end()
    return tokens
