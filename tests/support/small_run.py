"""A run of the real thing in half a minute: slices of 64 pixels, three rounds of a few steps, real networks, real actors.

`python small_run.py RUN` drives it to its end in a process to be killed; the home and the services are those of the
environment. It saves its progress every second instead of every minute, and prints a JSON line for all that goes on.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from maskloom.pipelines import crew, drive, recipes
from maskloom.pipelines.recipes import Recipe
from maskloom.pipelines.stopping import Stop, stopping_on_signals
from maskloom.pipelines.work import Progress
from maskloom.platform.bootstrap import Platform, open_platform
from maskloom.platform.cluster import Cluster
from maskloom.platform.errors import MaskloomError
from maskloom.platform.facts import Split
from maskloom.platform.run_facts import Run

STAGE = {"size": 64, "batch_size": 4}
STEPS = {"supervised": 6, "fine_tune": 3, "pretrain": 3, "final": 3}
SETTINGS = [
    *(f"{stage}.{key}={value}" for stage in STEPS for key, value in STAGE.items()),
    *(f"{stage}.steps={steps}" for stage, steps in STEPS.items()),
    # The same on every machine: where bfloat16 is not computed quickly it takes three times as long.
    *(f"{part}.precision=fp32" for part in (*STEPS, "prediction")),
    "sampler.group_size=16",
    "prediction.size=64",
    "prediction.batch_size=4",
    "gate.uncertainty=0.9",
]


def small_recipe(*settings: str) -> Recipe:
    """`semi-inf-net-quick`, made small."""
    return recipes.with_settings(recipes.named("semi-inf-net-quick"), [*SETTINGS, *settings])


def prepare(platform: Platform, *settings: str) -> Run:
    """Ingest a data set, and create a run on it that nobody has driven yet."""
    from support.painted import ingest_phantom

    for seed, (split, count) in enumerate({"labelled": 8, "unlabelled": 48}.items()):
        ingest_phantom(platform, platform.settings.home / split, Split(split), count, seed)
    run, _ = drive.create(platform, small_recipe(*settings), "phantom", seed=1)
    return run


class Telling:
    """An observer that prints JSON lines."""

    def started(self, kind: str, round_number: int | None) -> None:
        tell(event="started", kind=kind, round=round_number)

    def waiting(self, kind: str, round_number: int | None, holder: str) -> None:
        tell(event="waiting", kind=kind, round=round_number, holder=holder)

    def progress(self, progress: Progress) -> None:
        tell(
            event="progress",
            kind=progress.kind,
            round=progress.round,
            done=progress.done,
            total=progress.total,
        )

    def done(self, kind: str, round_number: int | None, output: Any) -> None:
        tell(event="done", kind=kind, round=round_number)


def tell(**content: Any) -> None:
    print(json.dumps(content), flush=True)


def through(node: str) -> None:
    """Reach the cluster by the node with that address: of several on one machine Ray would take the head's."""
    where = Cluster._where
    Cluster._where = lambda cluster: where(cluster) | {"_node_ip_address": node}  # type: ignore[method-assign]


def main(run_id: str) -> int:
    """Drive the run; the exit code."""
    if "SMALL_RUN_NODE" in os.environ:
        through(os.environ["SMALL_RUN_NODE"])
    crew.SAVE_STATE_EVERY_S = float(os.environ.get("SMALL_RUN_SAVES_EVERY_S", "1"))
    workers = int(os.environ.get("SMALL_RUN_WORKERS", "1"))
    stop = Stop()
    try:
        with open_platform() as platform, stopping_on_signals(stop):
            run = drive.find(platform, run_id)
            finished = drive.drive(platform, run, workers=workers, observer=Telling(), stop=stop)
            tell(event="finished", checkpoint=finished.model.digest)
    except MaskloomError as error:
        tell(event="error", type=type(error).__name__, message=error.message, hint=error.hint)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    sys.exit(main(sys.argv[1]))
