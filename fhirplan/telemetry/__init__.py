"""Logs of what the program does: JSON lines with ids, never a resource, a name or a token."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final, TextIO, cast

import structlog

_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_FORBIDDEN: Final = frozenset(
    {"body", "resource", "name", "display", "token", "authorization", "text", "query", "narrative", "address"}
)


class _StandardError:
    """Whatever standard error is at the moment of writing; a logger outlives a redirection."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def configure(level: str = "info", format: str = "json") -> None:
    """Sends logs to standard error from ``level`` up, as JSON lines or as text for people."""
    renderer: Any = structlog.processors.JSONRenderer() if format == "json" else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            without_patients,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _StandardError())),
    )
    logging.getLogger("urllib3").setLevel(logging.ERROR)


def without_patients(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drops the keys that could carry what a patient's record says."""
    return {key: value for key, value in event.items() if key not in _FORBIDDEN}


def log(room: str) -> structlog.typing.FilteringBoundLogger:
    """The logger of a room."""
    return cast("structlog.typing.FilteringBoundLogger", structlog.get_logger(room=room))


def bind_request(request_id: str) -> None:
    """Puts the request's id on each line that this thread logs from here on."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id)
