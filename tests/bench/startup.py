"""How long `maskloom serve` takes to be ready, and which imports take the time."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from statistics import median

from bench.served import serve

TURNS = 3
_MOST = 6
_LINE = re.compile(r"import time: +(?P<own>\d+) \| +(?P<all>\d+) \| +(?P<name>[\w.]+)")
_IMPORTS = (
    "from maskloom.services.api.serving import serving; from maskloom.platform.bootstrap import open_platform"
)


def measure(url: str, home: Path) -> dict[str, float]:
    """Seconds until /readyz says yes: all parts, the API alone; and of the imports of the API, by package, the largest."""
    figures = {}
    for name, arguments in (("all parts", ()), ("the API alone", ("--role", "api"))):
        times = []
        for _ in range(TURNS):
            with serve(url, home, *arguments) as served:
                times.append(served.ready_s)
        figures[name] = median(times)
    return figures


def imports_s() -> dict[str, float]:
    """Seconds of the API's imports by top-level package, most first, measured by Python itself, which makes them slower."""
    said = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", _IMPORTS], capture_output=True, text=True, check=True
    ).stderr
    spent: dict[str, float] = {}
    for match in _LINE.finditer(said):
        package = match["name"].partition(".")[0]
        spent[package] = spent.get(package, 0.0) + int(match["own"]) / 1e6
    return dict(sorted(spent.items(), key=lambda one: -one[1])[:_MOST])
