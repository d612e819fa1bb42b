"""How long work stands still when one of its actors is killed, in a run with the real network."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

import psutil

from bench.data import bench_platform
from maskloom.pipelines import drive, recipes
from maskloom.pipelines.stopping import Stop, Stopped
from maskloom.pipelines.work import Progress
from maskloom.platform.facts import Split
from support.painted import DATASET, ingest_phantom

_STAGE = ("epochs=null", "steps=60", "batch_size=4", "size=96")
_SETTINGS = [
    "network.weights=random",
    *(f"{stage}.{one}" for stage in ("supervised", "fine_tune", "pretrain", "final") for one in _STAGE),
    "prediction.size=320", "final_labels=refused",
]  # fmt: skip
_TITLES = {"label": "ray::Labeller", "train": "ray::Trainer"}
"""What `ps` shows of the actors who do a kind of work."""
_AT = 0.25
"""How far work is when an actor is killed."""


class _Killer:
    """An observer that kills one actor in the midst of work of a `kind`, and sees when it gets on."""

    def __init__(self, kind: str, stop: Stop) -> None:
        self._kind = kind
        self._stop = stop
        self._done_when_killed = 0
        self.killed_at: float | None = None
        self.got_on_at: float | None = None

    def started(self, kind: str, round_number: int | None) -> None: ...
    def waiting(self, kind: str, round_number: int | None, holder: str) -> None: ...
    def done(self, kind: str, round_number: int | None, output: object) -> None: ...

    def progress(self, progress: Progress) -> None:
        if progress.kind != self._kind:
            return
        if self.killed_at is None:
            if progress.done >= _AT * progress.total:
                os.kill(self._actor(), signal.SIGKILL)
                self.killed_at = time.monotonic()
                self._done_when_killed = progress.done
        elif self.got_on_at is None and self._gets_on(progress):
            self.got_on_at = time.monotonic()
            self._stop.request("paused")

    def _gets_on(self, progress: Progress) -> bool:
        if (
            self._kind == "train"
        ):  # from the start, as nothing was saved yet; who was not killed may end a step before
            return progress.done < self._done_when_killed
        return progress.done > self._done_when_killed

    def _actor(self) -> int:
        return next(
            child.pid
            for child in psutil.Process().children(recursive=True)
            if any(_TITLES[self._kind] in part for part in child.cmdline())
        )


def measure(kind: str, workers: int, pool: int) -> float:
    """Seconds from the death of one of `workers` until more work of the `kind` (label or train) is done."""
    stop = Stop()
    killer = _Killer(kind, stop)
    with bench_platform() as platform:
        ingest_phantom(platform, platform.settings.home / "labelled", Split.LABELLED, 8, 1)
        ingest_phantom(platform, platform.settings.home / "pool", Split.UNLABELLED, pool, 2)
        settings = [*_SETTINGS, f"sampler.group_size={pool}"]
        recipe = recipes.with_settings(recipes.named("semi-inf-net-quick"), settings)
        run, _ = drive.create(platform, recipe, DATASET, seed=1)
        with suppress(Stopped):
            drive.drive(platform, run, workers=workers, observer=killer, stop=stop)
    if killer.killed_at is None or killer.got_on_at is None:
        raise RuntimeError(f"the run ended before an actor was killed at {kind}, or before that got on")
    return killer.got_on_at - killer.killed_at
