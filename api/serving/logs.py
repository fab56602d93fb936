"""What is written while the service runs: a line each, to the standard error, as text or JSON."""

import logging
import sys
from datetime import UTC, datetime
from typing import Any

import orjson

ACCESS = logging.getLogger("cim.requests")

FIELDS = "fields"
"""The attribute of a record that holds what it says, by name."""


class Requests:
    """Writes down requests."""

    def note(self, fields: dict[str, Any]) -> None:
        """One request that is over."""
        ACCESS.info("request", extra={FIELDS: fields})


class Text(logging.Formatter):
    """Lines for people: time, level, what is said, and what else is known as name=value."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and a traceback's below it."""
        fields = getattr(record, FIELDS, {})
        said = " ".join(f"{name}={value}" for name, value in fields.items() if value is not None)
        parts = [_time(record), record.levelname.lower(), record.name, record.getMessage(), said]
        return " ".join(filter(None, parts))


class Json(logging.Formatter):
    """Lines for machines: an object each."""

    def format(self, record: logging.LogRecord) -> str:
        """One object."""
        said = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        return orjson.dumps(said | getattr(record, FIELDS, {}), default=str).decode()


def _time(record: logging.LogRecord) -> str:
    made = datetime.fromtimestamp(record.created, UTC)
    return made.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def configure(kind: str) -> None:
    """Write what this program and the server say to the standard error; `kind` as the setting.

    Tracebacks are not written: they quote values. Where a fault happened is in its line.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Json() if kind == "json" else Text())
    for name, level in (("cim", logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
    # The server's last words about an app that raised are a traceback; the guard had its own.
    logging.getLogger("uvicorn.error").addFilter(_without_traceback)


def _without_traceback(record: logging.LogRecord) -> bool:
    record.exc_info = record.exc_text = None
    return True
