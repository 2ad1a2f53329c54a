from __future__ import annotations

import pytest

from e2e.command import forked


@pytest.fixture(scope="session")
def forks():
    """Many short commands, each in its own process."""
    return forked
