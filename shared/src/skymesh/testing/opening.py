"""Opening what is tested by name, so that another process can open it too."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

Opener = Callable[[str], AbstractAsyncContextManager[Any]]
"""Opens a bus or a store at an address, and closes it again."""


def opener_of(name: str) -> Opener:
    """Return the function ``module:name``."""
    module, _, attribute = name.partition(":")
    opener: Opener = getattr(importlib.import_module(module), attribute)
    return opener


@asynccontextmanager
async def opened(name: str, address: str) -> AsyncIterator[Any]:
    """Open something by the name of its opener."""
    async with opener_of(name)(address) as it:
        yield it


def start_child(module: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a module of this package as a process of its own, which sees the modules that this one sees."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if Path(path).is_dir()),
    }
    return subprocess.Popen(
        [sys.executable, "-m", f"skymesh.testing.{module}", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
