"""The wiring of reactors: what the type hints of ``react`` ask for.

Results are wired as for analysers (`skymesh.units.wiring`); beside them there is the view of the
object, the reaction itself, and a channel's memory: what was before.
"""

from __future__ import annotations

import inspect
import typing
from typing import Any

from skymesh.errors import SettingsError
from skymesh.units.reaction import Delivery, Earlier, Reaction
from skymesh.units.unit import ObjectView, Reactor, Result
from skymesh.units.wiring import Hint, InputKind, hint_of, type_hints, without_none

_PLAIN: dict[Any, InputKind] = {ObjectView: InputKind.VIEW, Reaction: InputKind.REACTION}
_SHARED = frozenset({InputKind.CURVE, InputKind.RESULT, InputKind.ALL_RESULTS})
"""What reactors are given as analysers are."""


def reactor_hints(unit: type[Reactor]) -> tuple[Hint, ...]:
    """Read the wiring of a reactor.

    Raises
    ------
    SettingsError
        If a hint is missing or asks for something that no reaction is given.
    """
    react = getattr(unit, "react", None)
    if not callable(react):
        raise SettingsError(f"{unit.__name__} has no method react")
    hints = type_hints(unit, react)
    names = [name for name in inspect.signature(react).parameters if name != "self"]
    return tuple(_hint(f"{unit.__name__}.react({name})", name, hints.get(name)) for name in names)


def _hint(place: str, name: str, hint: Any) -> Hint:
    if isinstance(hint, type) and hint in _PLAIN:
        return Hint(name, _PLAIN[hint])
    if _is_memory(hint):
        raise SettingsError(f"{place}: there may be nothing before; ask for … | None")
    inner = without_none(hint)
    if inner is Delivery:
        return Hint(name, InputKind.LAST, is_optional=True)
    if _is_memory(inner):
        return Hint(name, InputKind.EARLIER, is_optional=True, result=_result_of(place, inner))
    found = hint_of(place, name, hint)
    if found.kind not in _SHARED:
        raise SettingsError(f"{place}: a reaction is not given {found.kind.value}")
    return found


def _is_memory(hint: Any) -> bool:
    return hint in (Delivery, Earlier) or typing.get_origin(hint) is Earlier


def _result_of(place: str, hint: Any) -> type[Result]:
    """Return X of ``Earlier[X]``."""
    arguments = typing.get_args(hint)
    if not arguments or not isinstance(arguments[0], type) or not issubclass(arguments[0], Result):
        raise SettingsError(f"{place}: say which result, as in Earlier[MyResult] | None")
    return arguments[0]
