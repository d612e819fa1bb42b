"""The log of a service: lines of JSON, each with its request."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator
from contextvars import copy_context

import pytest

from maskloom.services.logs import naming, write_log


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    root, stream = logging.getLogger(), io.StringIO()
    before = root.handlers[:]
    root.handlers.clear()
    write_log(stream)
    yield stream
    root.handlers[:] = before
    logging.getLogger("maskloom").setLevel(logging.NOTSET)


def test_a_line_is_an_event_whatever_is_in_it(log: io.StringIO) -> None:
    logger = logging.getLogger("maskloom.test")
    logger.info("two\nlines and %s", '"quotes"')
    with naming("abc"):
        logger.warning("within")
        thread = threading.Thread(target=copy_context().run, args=(logger.warning, "in a thread of it"))
        thread.start()
        thread.join()
    try:
        raise LookupError("oh")
    except LookupError:
        logger.exception("failed")
    events = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [event["message"] for event in events] == [
        'two\nlines and "quotes"',
        "within",
        "in a thread of it",
        "failed",
    ]
    assert [event.get("request", "") for event in events] == ["", "abc", "abc", ""]
    assert [event["level"] for event in events] == ["info", "warning", "warning", "error"]
    assert "LookupError: oh" in events[-1]["error"]
