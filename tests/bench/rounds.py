"""What a round costs besides its forward and backward passes, from round 1 to round 320, and what a replay costs.

The 320 rounds have the network of semi-inf-net-quick at 64 pixels and one training step each, so that they take minutes. What
pixels and a large network add to the overhead is measured in a few rounds at the size of each recipe.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections import defaultdict
from contextlib import suppress
from typing import Any

from bench.data import bench_platform, real_slices
from maskloom.pipelines import drive, recipes
from maskloom.pipelines.recipes import Recipe
from maskloom.pipelines.stopping import Stop, Stopped
from maskloom.pipelines.work import Progress
from maskloom.platform.bootstrap import Platform

SETTINGS = [
    "network.backbone=tf_efficientnet_lite0",
    "supervised.epochs=null", "supervised.steps=2", "supervised.size=64", "supervised.batch_size=4",
    "fine_tune.epochs=null", "fine_tune.steps=1", "fine_tune.size=64", "fine_tune.batch_size=4",
    "fine_tune.scales=[1.0]",
    "pretrain.epochs=null", "pretrain.steps=1", "pretrain.size=64", "pretrain.batch_size=4",
    "final.epochs=null", "final.steps=1", "final.size=64", "final.batch_size=4",
    "prediction.size=64",
]  # fmt: skip

AT_SIZE = {
    "EfficientNet-Lite0 at 320 pixels, as in semi-inf-net-quick": (320, ["network.weights=imagenet"]),
    "Res2Net-50 at 352 pixels, as in semi-inf-net": (
        352,
        ["network.backbone=res2net50d", "network.weights=random"],
    ),
}


class Stopwatch:
    """Overhead per round: wall time of the whole round less the actors' time in the network."""

    def __init__(self, stop: Stop | None = None, last_round: int | None = None) -> None:
        self._stop, self._last_round = stop, last_round
        self.overhead: dict[int, float] = defaultdict(float)
        self.by_kind: dict[str, list[float]] = defaultdict(list)
        self._last = time.perf_counter()

    def started(self, kind: str, round_number: int | None) -> None:
        pass

    def waiting(self, kind: str, round_number: int | None, holder: str) -> None:
        raise AssertionError(f"nobody else should hold {kind}: {holder}")

    def progress(self, progress: Progress) -> None:
        pass

    def done(self, kind: str, round_number: int | None, output: Any) -> None:
        now = time.perf_counter()
        spent = now - self._last - getattr(output, "compute_s", 0.0)
        self._last = now
        if round_number is not None:
            self.overhead[round_number] += spent
            self.by_kind[kind].append(spent)
        if self._stop and kind == "train" and round_number == self._last_round:
            self._stop.request("interrupted")

    @property
    def rounds(self) -> list[float]:
        """Seconds of overhead, round by round."""
        return [self.overhead[number] for number in sorted(self.overhead)]


def measure(slices: int | None = None) -> dict[str, Any]:
    """Run 320 rounds of 5 slices (or fewer, for a look), then the first twenty of another run, then replay the first."""
    with bench_platform() as platform:
        real_slices(platform, "bench", slices)
        recipe = recipes.with_settings(recipes.named("semi-inf-net"), SETTINGS)
        run, _ = drive.create(platform, recipe, "bench", 0)
        watch = Stopwatch()
        began = time.perf_counter()
        drive.drive(platform, run, workers=1, observer=watch, stop=Stop())
        rounds_s = time.perf_counter() - began
        fresh = statistics.median(first_rounds(platform, recipe, seed=1, count=20))
        began = time.perf_counter()
        drive.drive(platform, run, workers=1, observer=Stopwatch(), stop=Stop())
        replay_s = time.perf_counter() - began
        at_size = {
            name: statistics.median(first_rounds(platform, _of_size(recipe, *case), seed=0, count=12)[2:])
            for name, case in AT_SIZE.items()
        }
    rounds = watch.rounds
    last_s = statistics.median(rounds[-20:])
    return {
        "rounds": len(rounds),
        "median_s": statistics.median(rounds),
        "stretches_s": [statistics.median(rounds[start : start + 40]) for start in range(0, len(rounds), 40)],
        "last_over_first": last_s / statistics.median(rounds[:20]),
        "last_over_fresh": last_s / fresh,
        "median_s_by_step": {kind: statistics.median(spent) for kind, spent in watch.by_kind.items()},
        "at_size_s": at_size,
        "rounds_s": rounds_s,
        "replay_s": replay_s,
    }


def first_rounds(platform: Platform, recipe: Recipe, seed: int, count: int) -> list[float]:
    """The overhead of the first rounds of another run."""
    run, _ = drive.create(platform, recipe, "bench", seed)
    stop = Stop()
    watch = Stopwatch(stop, last_round=count)
    with suppress(Stopped):
        drive.drive(platform, run, workers=1, observer=watch, stop=stop)
    return watch.rounds


def _of_size(recipe: Recipe, size: int, settings: list[str]) -> Recipe:
    stages = ("supervised", "fine_tune", "pretrain", "final", "prediction")
    return recipes.with_settings(recipe, [*(f"{stage}.size={size}" for stage in stages), *settings])


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]) if len(sys.argv) > 1 else None), indent=2))
