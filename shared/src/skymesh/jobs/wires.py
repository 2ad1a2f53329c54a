"""Wires: which instances meet the inputs that the hints of a unit ask for."""

from __future__ import annotations

from dataclasses import dataclass

from skymesh.units.wiring import Hint


@dataclass(frozen=True)
class Wire:
    """An input of an instance and the instances that meet it.

    Attributes
    ----------
    hint
        The parameter.
    sources
        Names of instances; empty for inputs made from the state, or where nobody makes the result.
    """

    hint: Hint
    sources: tuple[str, ...]
