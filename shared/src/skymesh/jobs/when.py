"""Conditions of reactions: a small, safe language over the results of a channel's instances.

It is Python's syntax for literals, ``and or not``, chained comparisons, ``in``, ``is None``,
``+ - * /`` and the parts of results: ``decline.fast and summary.newest_mag_ab < 19.5``,
``decline.rate_mag_per_day["ztfg"] > 0.3``, ``summary.newest_band in ("ztfg", "ztfr")``.

Nothing is executed: the text is parsed, only the nodes below are let through, and
`skymesh.jobs.evaluation` looks up what they say. What is not known (a result that is not ok, a value
that is None or NaN, a key that is not there, values that do not compare) stays unknown through
comparisons and ``not``, as in SQL; a condition that is unknown at the end is not met. What could never
be known, for the declared types do not compare, is a mistake (`skymesh.jobs.kinds`).
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping
from typing import Final

from skymesh.errors import SettingsError
from skymesh.jobs.evaluation import OPERATIONS, Results, truth
from skymesh.jobs.kinds import kinds_of, type_of
from skymesh.units.unit import Result

ALWAYS: Final = "True"
"""The condition that every state meets."""

_MOST_LETTERS = 2000
_MOST_NESTED = 50


class Condition:
    """A condition that was read and whose names are known.

    Parameters
    ----------
    text
        As the job has it.
    makes
        The channel's instances and their result types.

    Raises
    ------
    SettingsError
        In one line, if the text is no condition over these results.
    """

    def __init__(self, text: str, makes: Mapping[str, type[Result]]) -> None:
        self.text = text.strip()
        self._body = _parsed(self.text)
        found: dict[str, None] = {}
        _check_whole(self._body)
        _check(self._body, makes, found)
        kinds_of(self._body, makes)
        self.instances = tuple(found)
        """Names of the instances whose results it looks at."""

    def is_met(self, results: Results) -> bool:
        """Return whether results meet the condition.

        Parameters
        ----------
        results
            instance → content of its result, of those that are ok.
        """
        return truth(self._body, results) is True


def _parsed(text: str) -> ast.expr:
    if len(text) > _MOST_LETTERS:
        raise SettingsError(f"longer than {_MOST_LETTERS} letters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise SettingsError(f"no expression: {error.msg}: {text!r}") from None
    except (ValueError, RecursionError, MemoryError):
        raise SettingsError("no expression: it cannot be read") from None


def _check_whole(body: ast.expr) -> None:
    layer: list[ast.AST] = [body]
    for _ in range(_MOST_NESTED):
        layer = [child for node in layer for child in ast.iter_child_nodes(node)]
    if layer:
        raise SettingsError(f"nested more than {_MOST_NESTED} deep")
    if isinstance(body, ast.Constant) and not isinstance(body.value, bool):
        raise SettingsError(f"no condition over results: {ast.unparse(body)}")


def _check(node: ast.expr, makes: Mapping[str, type[Result]], found: dict[str, None]) -> None:
    """Let only known nodes and names through; note the instances that are named."""
    if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
        type_of(node, makes, found)
        return
    if not _is_allowed(node):
        raise SettingsError(f"not allowed in a condition: {ast.unparse(node)}")
    for child in _children(node):
        _check(child, makes, found)


def _is_allowed(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return node.value is None or isinstance(node.value, bool | int | float | str)
    if isinstance(node, ast.BinOp):
        return type(node.op) in OPERATIONS
    if isinstance(node, ast.UnaryOp):
        return not isinstance(node.op, ast.Invert)
    return isinstance(node, ast.BoolOp | ast.Compare)


def _children(node: ast.expr) -> list[ast.expr]:
    """Return what a node is made of; a tuple, which stands behind ``in`` alone, by its items."""
    if not isinstance(node, ast.Compare):
        return [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
    _check_comparison(node)
    children = [node.left]
    for test, right in zip(node.ops, node.comparators, strict=True):
        is_box = isinstance(test, ast.In | ast.NotIn) and isinstance(right, ast.Tuple)
        children += right.elts if is_box and isinstance(right, ast.Tuple) else [right]
    return children


def _check_comparison(node: ast.Compare) -> None:
    for test, right in zip(node.ops, node.comparators, strict=True):
        is_none = isinstance(right, ast.Constant) and right.value is None
        if isinstance(test, ast.Is | ast.IsNot) and not is_none:
            raise SettingsError(f"only None is compared with 'is': {ast.unparse(node)}")
        if isinstance(test, ast.Eq | ast.NotEq) and is_none:
            raise SettingsError(f"None equals nothing; say 'is None': {ast.unparse(node)}")
        if isinstance(test, ast.In | ast.NotIn) and isinstance(right, ast.Constant):
            raise SettingsError(f"a tuple is expected behind 'in', as in (\"ztfg\",): {ast.unparse(node)}")
