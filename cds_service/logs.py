"""The log: one JSON object a line, with constant names, and nothing that a request brought in.

An event of ours is logged as a dict: `event`, and what belongs to it. Messages of libraries become events of the
name "message". Of an exception only its type and place are kept: its text may quote a request.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType

import msgspec

_LOG = logging.getLogger("cds_service")
_ENCODER = msgspec.json.Encoder()


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON that begins with `time`, `level` and `event`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        told = record.msg if isinstance(record.msg, Mapping) else {"event": "message", "text": record.getMessage()}
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            **told,
        }
        if record.exc_info and record.exc_info[1] is not None:
            line |= {"error": type(record.exc_info[1]).__name__, "at": place_of(record.exc_info[2])}
        return _ENCODER.encode(line).decode()


def log_event(event: str, level: int = logging.INFO, **fields: object) -> None:
    """Log one event with its fields."""
    if _LOG.isEnabledFor(level):
        _LOG.log(level, {"event": event, **fields})


def place_of(trace: TracebackType | None) -> str:
    """File and line where an exception was raised."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}" if trace else "?"


def log_as_json() -> None:
    """Send everything from INFO up to standard error, as JSON lines. For a server; tools leave logging as it is."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for library in ("httpx", "httpcore", "alembic", "sqlalchemy"):
        logging.getLogger(library).setLevel(logging.WARNING)
