"""The server's log: one event a line, as text for people or as JSON for machines, never with a key in it."""

import json
import logging
import re
import time
from typing import Any, Final, Literal

LABEL_LENGTH: Final = 4

QUIET: Final = ("aioice", "aiortc", "uvicorn.error")
"""Libraries that tell more than their users want to know."""

_UNGUESSABLE: Final = re.compile(r"[A-Za-z0-9_-]{12,}")


def label(name: str) -> str:
    """What stands for a session in logs and metrics: its whole name is the key to it."""
    return name[:LABEL_LENGTH]


def without_names(path: str) -> str:
    """A request's path with every name that may be a key shortened to its label, on one line."""
    return (
        _UNGUESSABLE.sub(lambda match: f"{label(match[0])}...", path[:200]).encode("unicode_escape").decode()
    )


class TextFormatter(logging.Formatter):
    """``12:00:01 INFO session 3fk2: opened with avatar grace_hopper``."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Put the session before the message."""
        if session := getattr(record, "session", None):
            record.message = f"session {session}: {record.message}"
        return super().formatMessage(record)


class JsonFormatter(logging.Formatter):
    """``{"time": "2026-01-31T12:00:01.123Z", "level": "info", "logger": "...", "session": "3fk2", "event": "..."}``.

    ``error`` holds the traceback, if there is one.
    """

    def format(self, record: logging.LogRecord) -> str:
        """One JSON object without line breaks."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry: dict[str, Any] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        if session := getattr(record, "session", None):
            entry["session"] = session
        entry["event"] = record.getMessage()
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def configure(form: Literal["text", "json"]) -> None:
    """Send this process's log to stderr in this form; called by the command line, never by the library."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
