"""Who keeps the cores of this machine busy."""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import dataclass

import psutil

ACTORS, DRIVER, RAY, POSTGRESQL, OTHERS = "actors", "driver", "Ray", "PostgreSQL", "others"


@dataclass(frozen=True, slots=True)
class CoreTime:
    """What the cores have done so far.

    `spent`: by (process id, when it was created), who that is and its seconds of CPU. `idle`: seconds of all cores.
    """

    at: float
    spent: dict[tuple[int, float], tuple[str, float]]
    idle: float

    @classmethod
    def now(cls) -> CoreTime:
        """All until now."""
        return cls(at=time.monotonic(), spent=_spent(), idle=_idle())

    def since(self, before: CoreTime) -> dict[str, float]:
        """How many cores were busy on average since `before`, by who kept them so, and `all` of them.

        What processes spent that have ended meanwhile is in `all` only.
        """
        seconds = self.at - before.at
        cores = psutil.cpu_count() or 1
        busy: Counter[str] = Counter(dict.fromkeys((ACTORS, DRIVER, RAY, POSTGRESQL, OTHERS), 0.0))
        for process, (who, spent) in self.spent.items():
            busy[who] += (spent - before.spent.get(process, (who, 0.0))[1]) / seconds
        return dict(busy) | {"all": cores - (self.idle - before.idle) / seconds}


def _spent() -> dict[tuple[int, float], tuple[str, float]]:
    return {
        (process.info["pid"], process.info["create_time"]): (_who(process.info), times.user + times.system)
        for process in psutil.process_iter(["pid", "create_time", "name", "cmdline", "cpu_times"])
        if (times := process.info["cpu_times"])
    }


def _who(process: dict[str, object]) -> str:
    command = " ".join(process["cmdline"] or [])  # type: ignore[call-overload]
    if process["pid"] == os.getpid():
        return DRIVER
    if "ray::FixedTime" in command:
        return ACTORS
    if process["name"] == "postgres":
        return POSTGRESQL
    return RAY if "ray::" in command or "/ray/" in command else OTHERS


def _idle() -> float:
    times = psutil.cpu_times()
    # What other machines of the same host took was not spent here.
    return sum(getattr(times, kind, 0.0) for kind in ("idle", "iowait", "steal"))
