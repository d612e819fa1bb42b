"""A request to stop, and who has to hear it."""

from __future__ import annotations

import pytest

from maskloom.pipelines.stopping import Stop, Stopped
from maskloom.platform.errors import LeaseLost


def test_the_first_reason_counts() -> None:
    stop = Stop()
    stop.check()
    stop.request("paused")
    stop.request("cancelled")
    with pytest.raises(Stopped, match="paused"):
        stop.check()


def test_who_was_superseded_has_stopped_nothing() -> None:
    """The run goes on elsewhere: it must not be told of as paused."""
    stop = Stop()
    stop.request("paused")
    stop.supersede()
    assert stop.requested
    with pytest.raises(LeaseLost):
        stop.check()
