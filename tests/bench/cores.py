"""Who keeps the cores of this machine busy."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass

import psutil

ACTORS, DRIVER, RAY, POSTGRESQL, OTHERS = "actors", "driver", "Ray", "PostgreSQL", "others"


@dataclass
class CoreTime:
    """What the cores have done so far: seconds of CPU by who spent them, and of idleness."""

    at: float
    spent: Counter[str]
    idle: float

    @classmethod
    def now(cls) -> CoreTime:
        """All until now."""
        return cls(at=time.monotonic(), spent=_spent(), idle=_idle())

    def since(self, before: CoreTime) -> dict[str, float]:
        """How many cores were busy on average since `before`, by who kept them so, and `all` of them."""
        seconds = self.at - before.at
        cores = psutil.cpu_count() or 1
        return {who: (self.spent[who] - before.spent[who]) / seconds for who in self.spent} | {
            "all": cores - (self.idle - before.idle) / seconds
        }


def _spent() -> Counter[str]:
    spent: Counter[str] = Counter(dict.fromkeys((ACTORS, DRIVER, RAY, POSTGRESQL, OTHERS), 0.0))
    for process in psutil.process_iter(["pid", "name", "cmdline", "cpu_times"]):
        if times := process.info["cpu_times"]:
            spent[_who(process.info)] += times.user + times.system
    return spent


def _who(info: dict[str, object]) -> str:
    command = " ".join(info["cmdline"] or [str(info["name"])])  # type: ignore[misc]
    if info["pid"] == psutil.Process().pid:
        return DRIVER
    if "ray::FixedTime" in command:
        return ACTORS
    if "postgres" in command:
        return POSTGRESQL
    return RAY if "ray" in command else OTHERS


def _idle() -> float:
    times = psutil.cpu_times()
    return times.idle + getattr(times, "iowait", 0.0)
