"""Structured logs on stderr: for people on a terminal, JSON lines elsewhere."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

import structlog

from skymesh.errors import SettingsError

LEVELS = ("debug", "info", "warning", "error")
_CLIENTS = ("aiokafka", "cassandra")
# A client that looks for the coordinator of its group finds it by itself; if not, its owner is told.
_LOOKING = re.compile(
    "Marking the coordinator dead"
    "|(GroupCoordinatorNotAvailable|NotCoordinatorForGroup|GroupLoadInProgress)Error"
    "|coordinator .* is either not started or not valid"
)


def configure_logs(level: str) -> None:
    """Set up logging for the process.

    What the clients of servers log is for who looks closely: a command ends with one line of its own.

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
    for name in _CLIENTS:
        logging.getLogger(name).handlers = [_Forwarding(is_detail=True)]
        logging.getLogger(name).propagate = False


def forward_libraries() -> None:
    """Let what libraries log, from warnings on, come out as what the mesh logs does: for services."""
    logging.basicConfig(handlers=[_Forwarding()], level=logging.WARNING, force=True)
    for name in _CLIENTS:
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True


class _Forwarding(logging.Handler):
    """Hands on what a library logs; all of it as a detail, or what is one."""

    def __init__(self, *, is_detail: bool = False) -> None:
        super().__init__()
        self._is_detail = is_detail

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record under its logger's name."""
        message = record.getMessage()
        is_detail = self._is_detail or (record.name.startswith("aiokafka.") and _LOOKING.search(message))
        level = "debug" if is_detail else "error" if record.levelno >= logging.ERROR else "warning"
        getattr(get_log(), level)(message, library=record.name)


def get_log() -> Any:
    """Return the process's logger."""
    return structlog.get_logger()
