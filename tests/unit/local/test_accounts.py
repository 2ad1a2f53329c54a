"""Adding up the journal: reasons by their name, in bounded memory."""

from __future__ import annotations

import pytest

from skymesh.model.execution import JournalEntry, Line, count_lines
from skymesh.model.ids import Digest
from skymesh_local.report.accounts import MOST_ENTRIES, MOST_EXAMPLES, MOST_REASONS, Account, name_of


@pytest.mark.parametrize(
    "reason, name",
    [
        ("min_rb: 0.12", "min_rb"),
        ("draw 0.624411 >= rate 0.5", "draw … >= rate …"),
        ("gaia_rs1 near -1.5e-3", "gaia_rs1 near …"),
        ("not_visible", "not_visible"),
        ("ValueError: 3 of 4: no", "ValueError"),
        ("x" * 500, "x" * 80),
        ("", ""),
    ],
)
def test_a_reason_is_named_without_its_value(reason, name):
    assert name_of(reason) == name


def entry(lines, first=0):
    told = tuple(lines)
    some = Digest(bytes(16))
    return JournalEntry(
        some, some, "t0", "j/c", "filter", None, 0, first, first + len(told), "", 0.5, count_lines(told), told
    )


def lines(reasons):
    return [Line(f"alert:{n}", "s", (), "rejected", reason) for n, reason in enumerate(reasons)]


def test_entries_add_up():
    account = Account("t0", "j/c", "filter", None)
    for first in range(MOST_ENTRIES + 5):
        account.add(entry(lines([f"min_rb: 0.{n}" for n in range(9)] + ["not_visible", ""]), first))
    assert account.counts == {"rejected": 11 * (MOST_ENTRIES + 5)}
    assert account.seconds == 0.5 * (MOST_ENTRIES + 5)
    assert (account.entries, len(account.first)) == (MOST_ENTRIES + 5, MOST_ENTRIES)
    cut, hidden = account.reasons["rejected", "min_rb"], account.reasons["rejected", "not_visible"]
    assert (cut.count, hidden.count) == (9 * (MOST_ENTRIES + 5), MOST_ENTRIES + 5)
    assert cut.examples == [(f"alert:{n}", f"min_rb: 0.{n}") for n in range(MOST_EXAMPLES)]
    assert {subject for subject, _ in hidden.examples} == {""}


def test_however_many_reasons_there_are_few_are_kept_and_all_are_counted():
    account = Account("t0", "j/c", "filter", None)
    account.add(entry(lines([f"reason-{'x' * n}" for n in range(3 * MOST_REASONS)])))
    assert len(account.reasons) <= MOST_REASONS + 1
    assert sum(reason.count for reason in account.reasons.values()) == 3 * MOST_REASONS
