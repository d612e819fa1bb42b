"""The log of a service: a line of JSON for each event, with the request that it belongs to; plain lines on a terminal.

What is logged names routes, runs and errors. Names of slices, data sets and patients are no part of it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TextIO

_request: ContextVar[str] = ContextVar("request", default="")


@contextmanager
def naming(request_id: str) -> Iterator[None]:
    """Have what is logged within, also in threads that are started for it, name the request."""
    token = _request.set(request_id)
    try:
        yield
    finally:
        _request.reset(token)


def write_log(stream: TextIO) -> None:
    """Write the log of maskloom to `stream` from now on."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s") if stream.isatty() else _Json())
    logging.basicConfig(handlers=[handler])
    logging.getLogger("maskloom").setLevel(logging.INFO)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        content = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request": _request.get(),
            "error": self.formatException(record.exc_info) if record.exc_info else "",
        }
        return json.dumps({name: value for name, value in content.items() if value}, ensure_ascii=False)
