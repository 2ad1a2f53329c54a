"""How far a redshift of a catalogue can be trusted: seven groups, 1 the best.

What decides is where it comes from, spectrum or photometry, how high it is, and how far from the object
the catalogue's source lies. The rules are those of AMPEL's T2DigestRedshifts, under AMPEL's names of
catalogues and their own names of columns.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

GROUPS: Final = 7
# Other numbers are no redshifts but signs for a missing one, such as -99 and 999.
_LOWEST, _HIGHEST = -0.1, 100.0


class Estimate(NamedTuple):
    """A redshift and the group it belongs to."""

    redshift: float
    group: int


class Step(NamedTuple):
    """A group, and the limits below which a redshift and its distance belong to it, both exclusive."""

    group: int
    max_redshift: float = math.inf
    max_arcsec: float = math.inf


class Rule(NamedTuple):
    """The groups of one column of a catalogue; the first step that is met decides, none: no estimate.

    Attributes
    ----------
    column
        Where the redshift stands.
    steps
        From the best group on.
    scale
        What to multiply the column with.
    """

    column: str
    steps: tuple[Step, ...]
    scale: float = 1.0


def _within(max_arcsec: float, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    return tuple(step._replace(max_arcsec=max_arcsec) for step in steps)


_UP_TO_10_ARCSEC = math.nextafter(10, math.inf)
_PHOTOMETRIC = (Step(4, 0.1), Step(5, 0.2), Step(6, 0.4), Step(7))

RULES: Final[Mapping[str, tuple[Rule, ...]]] = {
    "LSPhotoZTap": (
        Rule("z_spec", _within(_UP_TO_10_ARCSEC, (Step(1, 0.03), Step(2, 0.15), Step(3, 0.4), Step(5)))),
        Rule("z_phot_median", _within(_UP_TO_10_ARCSEC, _PHOTOMETRIC)),
    ),
    "NEDz_extcats": (Rule("z", (Step(1, 0.03, 2), Step(3, 0.05, 20), Step(4))),),
    "SDSS_spec": (Rule("z", (Step(2, max_arcsec=10),)),),
    "GLADEv23": (Rule("z", (Step(3, 0.05, 10), Step(4, max_arcsec=10))),),
    "LSPhotoZZou": (
        Rule("specz", (Step(2, 0.15, 10), Step(3, 0.2), Step(5))),
        Rule("photoz", _PHOTOMETRIC),
    ),
    "wiseScosPhotoz": (Rule("zPhoto_Corr", (Step(5, 0.2), Step(6))),),
    "twoMPZ": (Rule("zPhoto", (Step(3, 0.03), Step(4))), Rule("zSpec", (Step(2),))),
    "PS1_photoz": (Rule("z_phot", _PHOTOMETRIC, scale=1e-3),),
    "NEDz": (Rule("z", (Step(3, 0.4, 10),)),),
}  # fmt: skip

BRIGHT_TRANSIENT_SURVEY: Final = "BTS"
"""A catalogue of transients with redshifts as texts: how many decimals they have says how good they are."""
_DECIMALS_OF: Final = "redshift"


def estimates(
    catalogue: str,
    distance_arcsec: float,
    values: Mapping[str, Any],
    overrides: Mapping[str, Rule] | None = None,
) -> Iterator[Estimate]:
    """Yield what one match says of the redshift.

    Parameters
    ----------
    catalogue
        Its name.
    distance_arcsec
        Between object and match.
    values
        The columns of the match.
    overrides
        Rules by catalogue that stand in place of the built-in ones.
    """
    rules = _rules(catalogue, overrides)
    if rules is None:
        yield from _of_decimals(values.get(_DECIMALS_OF))
    for rule in rules or ():
        number = number_of(values.get(rule.column))
        if number is not None:
            yield from _first_step(rule, number * rule.scale, distance_arcsec)


def best_groups(catalogue: str, overrides: Mapping[str, Rule] | None = None) -> dict[str, int]:
    """Return the columns of a catalogue that hold redshifts, and the best group that each may belong to."""
    rules = _rules(catalogue, overrides)
    if rules is None:
        return {_DECIMALS_OF: 1}
    return {rule.column: min(step.group for step in rule.steps) for rule in rules}


def _rules(catalogue: str, overrides: Mapping[str, Rule] | None) -> tuple[Rule, ...] | None:
    """Return the rules of a catalogue; None where decimals decide."""
    if overrides and catalogue in overrides:
        return (overrides[catalogue],)
    return None if catalogue == BRIGHT_TRANSIENT_SURVEY else RULES.get(catalogue, ())


def number_of(value: Any) -> float | None:
    """Return a column's value as a number; None if it is absent or no number."""
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _first_step(rule: Rule, redshift: float, distance_arcsec: float) -> Iterator[Estimate]:
    for step in rule.steps:
        is_near = distance_arcsec < step.max_arcsec
        if is_near and _LOWEST < redshift < min(step.max_redshift, _HIGHEST):
            yield Estimate(redshift, step.group)
            return


def _of_decimals(value: Any) -> Iterator[Estimate]:
    redshift = number_of(value)
    if redshift is not None and _LOWEST < redshift < _HIGHEST:
        fraction = Decimal(str(value).strip().replace("_", "")) % 1
        yield Estimate(redshift, 1 if len(fraction.as_tuple().digits) > 2 else 2)
