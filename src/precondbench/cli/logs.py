"""What the library logs, on the standard error of a command."""

from __future__ import annotations

import logging
import sys
from enum import StrEnum

__all__ = ["LogLevel", "log_to_stderr"]


class LogLevel(StrEnum):
    """Names of the levels of ``logging``."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class _ToStderr(logging.Handler):
    """Plain lines to what is stderr at the time: a caller may have replaced it since."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(self.format(record) + "\n")


def log_to_stderr(level: LogLevel) -> None:
    """Send records of the library, from this level on, to stderr."""
    logger = logging.getLogger("precondbench")
    logger.setLevel(level.upper())
    if not any(isinstance(handler, _ToStderr) for handler in logger.handlers):
        logger.addHandler(_ToStderr())
