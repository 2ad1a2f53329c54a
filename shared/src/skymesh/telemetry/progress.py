"""Progress of long work, on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class Meter:
    """One line of progress; without a terminal it does nothing."""

    def __init__(self, progress: Progress | None, task: TaskID | None) -> None:
        self._progress = progress
        self._task = task

    def advance(self, steps: int) -> None:
        """Move on."""
        if self._progress is not None and self._task is not None:
            self._progress.advance(self._task, steps)


@contextmanager
def meter(what: str, total: int | None) -> Iterator[Meter]:
    """Show the progress of some work while it goes on.

    Parameters
    ----------
    what
        Shown before the bar.
    total
        Number of steps, if it is known.
    """
    if not sys.stderr.isatty():
        yield Meter(None, None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield Meter(progress, progress.add_task(what, total=total))
