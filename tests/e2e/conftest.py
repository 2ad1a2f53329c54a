from __future__ import annotations

import pytest

from e2e.command import Forks


@pytest.fixture(scope="session")
def forks():
    """Many short commands, each in its own process."""
    server = Forks()
    yield server
    server.close()
