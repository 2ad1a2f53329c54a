"""The value of a condition: what `skymesh.jobs.when` let through, evaluated without running any code.

None stands for what is not known; see there.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

Results = Mapping[str, Mapping[str, Any]]
"""instance → content of its result, of those that are ok."""

OPERATIONS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge, ast.In: lambda item, box: item in box,
    ast.NotIn: lambda item, box: item not in box,
}  # fmt: skip
_BOXES = (list, tuple, dict)


def truth(node: ast.expr, results: Results) -> bool | None:
    """Return whether an expression holds; None where that is not known."""
    value = _value(node, results)
    return None if value is None else bool(value)


def _value(node: ast.expr, results: Results) -> Any:
    return _EVALUATIONS[type(node)](node, results)


def _tuple(node: ast.Tuple, results: Results) -> tuple[Any, ...]:
    return tuple(_value(item, results) for item in node.elts)


def _attribute(node: ast.Attribute, results: Results) -> Any:
    return _item(_value(node.value, results), node.attr)


def _subscript(node: ast.Subscript, results: Results) -> Any:
    return _item(_value(node.value, results), _value(node.slice, results))


def _item(whole: Any, key: Any) -> Any:
    if isinstance(whole, Mapping):
        return _known(whole.get(key))
    if isinstance(whole, list | tuple) and isinstance(key, int) and -len(whole) <= key < len(whole):
        return _known(whole[key])
    return None


def _known(value: Any) -> Any:
    """Return a value; None for NaN, which counts as absent."""
    return None if isinstance(value, float) and math.isnan(value) else value


def _combined(node: ast.BoolOp, results: Results) -> bool | None:
    decisive = isinstance(node.op, ast.Or)
    truths = {truth(item, results) for item in node.values}
    if decisive in truths:
        return decisive
    return None if None in truths else not decisive


def _unary(node: ast.UnaryOp, results: Results) -> Any:
    if isinstance(node.op, ast.Not):
        holds = truth(node.operand, results)
        return None if holds is None else not holds
    value = _value(node.operand, results)
    if not _is_number(value):
        return None
    return -value if isinstance(node.op, ast.USub) else value


def _calculated(node: ast.BinOp, results: Results) -> Any:
    left, right = _value(node.left, results), _value(node.right, results)
    if not (_is_number(left) and _is_number(right)):
        return None
    try:
        return _known(OPERATIONS[type(node.op)](left, right))
    except ArithmeticError:
        return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _compared(node: ast.Compare, results: Results) -> bool | None:
    if not _is_there(node, results):
        return None
    values = [_value(item, results) for item in (node.left, *node.comparators)]
    truths = {
        _test(test, left, right) for test, left, right in zip(node.ops, values, values[1:], strict=False)
    }
    return False if False in truths else None if None in truths else True


def _is_there(node: ast.AST, results: Results) -> bool:
    """Return whether every result that is named is ok: of one that is not, not even None is known."""
    if isinstance(node, ast.Name):
        return node.id in results
    return all(_is_there(child, results) for child in ast.iter_child_nodes(node))


def _test(test: ast.cmpop, left: Any, right: Any) -> bool | None:
    if isinstance(test, ast.Is | ast.IsNot):
        return (left is None) is isinstance(test, ast.Is)
    if left is None or right is None:
        return None
    if isinstance(test, ast.In | ast.NotIn) and not isinstance(right, _BOXES):
        return None
    try:
        return bool(_COMPARISONS[type(test)](left, right))
    except TypeError:
        return None


_EVALUATIONS: dict[type[ast.expr], Callable[[Any, Results], Any]] = {
    ast.Constant: lambda node, _: node.value,
    ast.Name: lambda node, results: results.get(node.id),
    ast.Tuple: _tuple,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.BoolOp: _combined,
    ast.UnaryOp: _unary,
    ast.BinOp: _calculated,
    ast.Compare: _compared,
}
