"""What all contracts have in common: how the thing under test is opened, and what is done with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from skymesh.testing.opening import opened


class Contract:
    """Tests that every implementation of an interface must pass. Subclass it and set `opener`."""

    opener: ClassVar[str]
    """Opens the implementation at an address, as ``module:function``; another process calls it too."""

    @pytest.fixture
    def address(self, tmp_path: Path) -> str:
        """Return a place where nothing has been yet."""
        return self.fresh_address(tmp_path)

    def fresh_address(self, folder: Path) -> str:
        """Return a place where nothing has been yet; `folder` is empty and for it alone."""
        return str(folder / "it")

    def on(self, address: str, work: Callable[[Any], Awaitable[Any]]) -> Any:
        """Open the implementation, do something, and close it."""

        async def run() -> Any:
            async with opened(self.opener, address) as it:
                return await work(it)

        return asyncio.run(run())
