"""How a process that was started to work for another one learns that the other one is gone."""

from __future__ import annotations

import os
import signal
import threading

_STDIN = 0
_ORPHAN_S = 10.0
"""So long it has then to save what it has."""


def end_with_the_parent() -> None:
    """In a thread of its own: end this process when its standard input closes, as the end of who holds it does."""
    # Not by `sys.stdin`: whoever waits in there when the process ends has Python abort, whatever its exit code was to be.
    while os.read(_STDIN, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(_ORPHAN_S)
    os.kill(os.getpid(), signal.SIGKILL)
