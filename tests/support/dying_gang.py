"""A gang whose rank 1 dies while the ranks meet, so that rank 0 fails there: prints what came of the training.

`python dying_gang.py HOME`. The trainers compute nothing.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from maskloom.pipelines import crew
from maskloom.pipelines.jobs import TrainResult, WorkerSettings
from maskloom.pipelines.stopping import Stop
from maskloom.platform.bootstrap import open_platform
from maskloom.platform.settings import Settings


class Trainer:
    """One rank. The first gang's ranks meet as real ones do of which one is killed."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._rank = settings.rank

    def join(self, rendezvous: str) -> None:
        died = Path(rendezvous.removeprefix("file://")).with_name("died")
        if died.exists():
            return
        if self._rank == 1:
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        while not died.exists():
            time.sleep(0.01)
        raise RuntimeError("Connection closed by peer")

    def train(self, _job: Any, _saved: str | None) -> TrainResult:
        return TrainResult(digest="trained")

    def status(self, _key: str) -> None:
        """It has never taken a step."""


def main(home: Path) -> None:
    crew.TRAINER = "support.dying_gang:Trainer"
    job: Any = SimpleNamespace(key="", training=SimpleNamespace(batch_size=2))
    work: Any = SimpleNamespace(stop=Stop(), saved_digest=lambda: None)
    with open_platform(Settings(home=home)) as platform:
        gang = crew.Crew(platform, workers=2)
        result = gang.train(job, work)
        gang.close()
    print(result.digest)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
