"""Places where a test may kill this process: the step protocol is tested by dying at each of them.

MASKLOOM_FAILPOINT=NAME[:KIND[:N]] kills the process with SIGKILL when it reaches NAME (for a step of KIND) for the N-th time.
With MASKLOOM_FAILPOINT_SIGNAL=SIGSTOP it stops there instead, at each of several such places with commas between them, so that
something else can be killed at that very moment.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

POINTS = ("leased", "progress_saved", "ran", "committing", "committed")

_reached: Counter[str] = Counter()


def reach(name: str, kind: str) -> None:
    """Die (or stop) here if the environment asks for it."""
    for wanted in os.environ.get("MASKLOOM_FAILPOINT", "").split(","):
        point, _, rest = wanted.partition(":")
        wanted_kind, _, times = rest.partition(":")
        if point != name or wanted_kind not in {"", kind}:
            continue
        _reached[wanted] += 1
        if _reached[wanted] == int(times or 1):
            os.kill(os.getpid(), signal.Signals[os.environ.get("MASKLOOM_FAILPOINT_SIGNAL", "SIGKILL")])
