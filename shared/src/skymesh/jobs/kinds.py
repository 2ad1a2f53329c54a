"""The kinds of values that the parts of a condition have, and which of them compare.

They come from the annotations of results. Flags and numbers compare with each other, as in Python; but
only numbers are calculated with. What an annotation leaves open may be anything.
"""

from __future__ import annotations

import ast
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Union

import msgspec

from skymesh.errors import SettingsError
from skymesh.units.unit import Result

Kinds = frozenset[str] | None
"""What a value may be; None for anything."""

_FLAG, _NUMBER, _TEXT, _TUPLE, _MAP, _RESULT = "a flag", "a number", "a text", "a tuple", "a map", "a result"
_PLAIN: Final = {bool: _FLAG, int: _NUMBER, float: _NUMBER, str: _TEXT}
_ORDERED: Final = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)


def kinds_of(node: ast.expr, makes: Mapping[str, type[Result]]) -> Kinds:
    """Return what an expression may be, of nodes that are let through and names that are known.

    Raises
    ------
    SettingsError
        If something in it can never be known, for its parts never compare or are no numbers.
    """
    if isinstance(node, ast.Constant):
        return _of_types([type(node.value)])
    if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
        return _of_hint(type_of(node, makes, {}))
    if isinstance(node, ast.Compare):
        _check_comparison(node, makes)
        return frozenset({_FLAG})
    is_sum = isinstance(node, ast.BinOp) or (
        isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.Not)
    )
    for part in (part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)):
        found = kinds_of(part, makes)
        if is_sum and found is not None and _NUMBER not in found:
            raise SettingsError(f"{_said(part, found)} is no number: {ast.unparse(node)}")
    return frozenset({_NUMBER if is_sum else _TUPLE if isinstance(node, ast.Tuple) else _FLAG})


def _check_comparison(node: ast.Compare, makes: Mapping[str, type[Result]]) -> None:
    sides = [node.left, *node.comparators]
    kinds = [kinds_of(side, makes) for side in sides]
    for place, test in enumerate(node.ops):
        left, right = sides[place : place + 2]
        if isinstance(test, ast.Is | ast.IsNot):
            continue
        is_in = isinstance(test, ast.In | ast.NotIn)
        other = _items(right, kinds[place + 1], makes) if is_in else kinds[place + 1]
        if not _may_compare(kinds[place], other, is_ordered=isinstance(test, _ORDERED)):
            what = f"{_said(left, kinds[place])} and {_said(right, kinds[place + 1])}"
            raise SettingsError(f"{what} never compare: {ast.unparse(node)}")


def _may_compare(one: Kinds, other: Kinds, *, is_ordered: bool) -> bool:
    never = {_RESULT, _MAP} if is_ordered else {_RESULT}
    if (one is not None and one <= never) or (other is not None and other <= never):
        return False
    if one is None or other is None:
        return True
    numbers = {_FLAG, _NUMBER}
    return bool((one & other) - never) or bool(one & numbers and other & numbers)


def _items(box: ast.expr, kinds: Kinds, makes: Mapping[str, type[Result]]) -> Kinds:
    """Return what the items of a tuple, or the keys of a map, may be; nothing for what has no items."""
    if isinstance(box, ast.Tuple):
        return _joined([kinds_of(item, makes) for item in box.elts])
    if kinds is None:
        return None
    found: list[Kinds] = [frozenset({_TEXT})] if _MAP in kinds else []
    if _TUPLE in kinds:
        hint = _without_none(type_of(box, makes, {}))
        items = [item for item in typing.get_args(hint) if item is not Ellipsis]
        found += map(_of_hint, items) if items else [None]
    return _joined(found)


def _of_hint(hint: Any) -> Kinds:
    origin = typing.get_origin(hint) or hint
    if origin in (Union, types.UnionType):
        options = [option for option in typing.get_args(hint) if option is not types.NoneType]
        return _joined([_of_hint(option) for option in options])
    if origin is Literal:
        return _of_types([type(value) for value in typing.get_args(hint)])
    return _of_types([origin])


def _of_types(found: Sequence[Any]) -> Kinds:
    return _joined([_of_type(one) for one in found])


def _of_type(one: Any) -> Kinds:
    if one in _PLAIN:
        return frozenset({_PLAIN[one]})
    if not isinstance(one, type):
        return None
    several = {msgspec.Struct: _RESULT, Mapping: _MAP, tuple: _TUPLE, list: _TUPLE}
    return next((frozenset({kind}) for base, kind in several.items() if issubclass(one, base)), None)


def _joined(kinds: Sequence[Kinds]) -> Kinds:
    known = [kind for kind in kinds if kind is not None]
    return frozenset().union(*known) if len(known) == len(kinds) else None


def _said(node: ast.expr, kinds: Kinds) -> str:
    return f"{ast.unparse(node)} ({' or '.join(sorted(kinds or {'anything'}))})"


def type_of(node: ast.expr, makes: Mapping[str, type[Result]], found: dict[str, None]) -> Any:
    """Return the annotation of a part of a result; Any where it says nothing more.

    Parameters
    ----------
    node
        The part.
    makes
        The channel's instances and their result types.
    found
        Takes note of the instances that are named.

    Raises
    ------
    SettingsError
        If there is no such part.
    """
    if isinstance(node, ast.Name):
        if node.id not in makes:
            raise SettingsError(f"no instance {node.id!r}; there are: {', '.join(makes) or 'none'}")
        found[node.id] = None
        return makes[node.id]
    if isinstance(node, ast.Attribute):
        return _part(type_of(node.value, makes, found), node.attr, ast.unparse(node.value))
    if isinstance(node, ast.Subscript):
        return _part(type_of(node.value, makes, found), _key(node), ast.unparse(node.value))
    raise SettingsError(f"only results have parts: {ast.unparse(node)}")


def _key(node: ast.Subscript) -> str | int:
    key = node.slice
    if isinstance(key, ast.UnaryOp) and isinstance(key.op, ast.USub):
        key = key.operand
    if not (isinstance(key, ast.Constant) and isinstance(key.value, str | int)):
        raise SettingsError(f"a key is a text or a whole number: {ast.unparse(node)}")
    return key.value


def _part(whole: Any, key: str | int, said: str) -> Any:
    """Return the annotation of a field or item."""
    whole = _without_none(whole)
    origin, arguments = typing.get_origin(whole), typing.get_args(whole)
    if isinstance(whole, type) and issubclass(whole, msgspec.Struct):
        hints = typing.get_type_hints(whole)
        names = whole.__struct_fields__
        if key not in names:
            raise SettingsError(f"{said} has no {key!r}; it has: {', '.join(names)}")
        return hints[str(key)]
    if whole in (bool, int, float, str):
        raise SettingsError(f"{said} is {whole.__name__}, without parts")
    if origin is dict or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return arguments[1]
    if origin is tuple and isinstance(key, str):
        raise SettingsError(f"{said} is a tuple; its items have numbers, not {key!r}")
    return Any


def _without_none(hint: Any) -> Any:
    if typing.get_origin(hint) not in (Union, types.UnionType):
        return hint
    others = [argument for argument in typing.get_args(hint) if argument is not types.NoneType]
    return others[0] if len(others) == 1 else Any
