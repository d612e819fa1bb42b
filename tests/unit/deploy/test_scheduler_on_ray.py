"""What starts in the scheduler's container: it and its node of Ray end together. `make stack` runs it for real."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "deploy" / "docker" / "scheduler-on-ray"
_PROGRAM = """#!/bin/sh
echo "$0 $*" >> "$NOTES"
trap 'sleep {slow}; echo "$0 ended" >> "$NOTES"; exit {code}' TERM
while [ ! -e "$0.dies" ]; do sleep 0.05; done
echo "$0 died" >> "$NOTES"
exit 1
"""


class Started:
    """The script with programs that only note what happens to them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name, slow, code in (("ray", 0, 0), ("maskloom", 0.3, 3)):
            (folder / name).write_text(_PROGRAM.format(slow=slow, code=code))
            (folder / name).chmod(0o755)
        self._notes = folder / "notes"
        environment = {"PATH": f"{folder}:{os.environ['PATH']}", "NOTES": str(self._notes)}
        self.process = subprocess.Popen(
            [SCRIPT, "--runs", "2", "--", "--metrics-export-port=8090"],
            env=environment | {"MASKLOOM_RAY_ADDRESS": "head:6379"},
        )

    def notes(self) -> list[str]:
        """What happened so far, each with the name of the program alone."""
        return (
            self._notes.read_text().replace(f"{self._folder}/", "").splitlines()
            if self._notes.exists()
            else []
        )

    def kill(self, name: str) -> None:
        """Let one of the programs die."""
        (self._folder / f"{name}.dies").touch()


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    script = Started(tmp_path)
    try:
        deadline = time.monotonic() + 10
        while len(script.notes()) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield script
    finally:
        script.process.kill()
        for name in ("ray", "maskloom"):
            script.kill(name)
        script.process.wait()


def test_each_is_told_its_own(started: Started) -> None:
    assert sorted(started.notes()) == [
        "maskloom serve --role scheduler --runs 2",
        "ray start --block --address=head:6379 --num-cpus=0 --num-gpus=0 --metrics-export-port=8090",
    ]


def test_asked_to_end_the_scheduler_goes_first(started: Started) -> None:
    started.process.send_signal(signal.SIGTERM)
    assert started.process.wait(10) == 3, "it ends as the scheduler does"
    assert started.notes()[2:] == ["maskloom ended", "ray ended"]


@pytest.mark.parametrize(("dead", "other"), [("ray", "maskloom"), ("maskloom", "ray")])
def test_when_one_dies_the_other_ends(started: Started, dead: str, other: str) -> None:
    started.kill(dead)
    started.process.wait(10)
    assert started.notes()[2:] == [f"{dead} died", f"{other} ended"]
