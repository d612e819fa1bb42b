"""A process that works for another one: it ends as it wants to, and when the other one is gone."""

from __future__ import annotations

import signal
import subprocess
import sys

CHILD = """
import sys, threading, time
from maskloom.services.scheduler.orphans import end_with_the_parent
threading.Thread(target=end_with_the_parent, daemon=True).start()
time.sleep({seconds})
sys.exit(75)
"""


def child(seconds: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", CHILD.format(seconds=seconds)], stdin=subprocess.PIPE)


def test_its_exit_code_is_its_own_while_the_other_one_lives() -> None:
    with child(0.3) as process:
        assert process.wait(30) == 75


def test_it_is_asked_to_end_when_the_other_one_is_gone() -> None:
    with child(60) as process:
        assert process.stdin
        process.stdin.close()
        assert process.wait(30) == -signal.SIGTERM
