"""Structured logs on stderr: for people on a terminal, JSON lines elsewhere."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from skymesh.errors import SettingsError

LEVELS = ("debug", "info", "warning", "error")


def configure_logs(level: str) -> None:
    """Set up logging for the process.

    Raises
    ------
    SettingsError
        If there is no such level.
    """
    if level.lower() not in LEVELS:
        raise SettingsError(
            f"the log level is one of {', '.join(LEVELS)}, not {level!r}", where="SKYMESH_LOG_LEVEL"
        )
    rendering: list[Any] = [
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(sort_keys=True),
    ]
    if sys.stderr.isatty():
        rendering = [structlog.dev.ConsoleRenderer()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *rendering,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def forward_libraries() -> None:
    """Let what libraries log, from warnings on, come out as what the mesh logs does."""
    logging.basicConfig(handlers=[_Forwarding()], level=logging.WARNING, force=True)


class _Forwarding(logging.Handler):
    """Hands on what a library logs."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record under its logger's name."""
        level = "error" if record.levelno >= logging.ERROR else "warning"
        getattr(get_log(), level)(record.getMessage(), library=record.name)


def get_log() -> Any:
    """Return the process's logger."""
    return structlog.get_logger()
