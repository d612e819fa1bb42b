"""The `maskloom` command as a user calls it, and what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

PROGRAM = Path(sys.executable).with_name("maskloom")
TINY = Path(__file__).with_name("tiny_commands")
PATIENCE_S = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a command printed and how it exited."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """Commands with one home. `tiny`: runs compute next to nothing (`tiny_flow.TinyCrew`)."""

    home: Path
    tiny: bool = False
    patience_s: float = PATIENCE_S
    environment: dict[str, str] = field(default_factory=dict)

    def start(
        self, *arguments: object, stdout: int | IO[str] = subprocess.PIPE, **environment: str
    ) -> subprocess.Popen[str]:
        """A command that goes on while the test does."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("MASKLOOM_")}
        own = {"MASKLOOM_HOME": str(self.home), "COLUMNS": "200", **self.environment, **environment}
        if self.tiny:
            own["PYTHONPATH"] = str(TINY)
        return subprocess.Popen(
            [PROGRAM, *map(str, arguments)],
            env=inherited | own,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: object, **environment: str) -> Said:
        """A command to its end."""
        return self.end(self.start(*arguments, **environment))

    def end(self, process: subprocess.Popen[str]) -> Said:
        """What a started command said in the end."""
        out, err = process.communicate(timeout=self.patience_s)
        assert "Traceback" not in out + err, err
        return Said(code=process.returncode, out=out, err=err)


def wait_until(happened: Callable[[], bool]) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)
