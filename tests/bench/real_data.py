"""Figures on COVID-SemiSeg: `supervised`, `semi-inf-net-quick`, and the control that has as many optimiser steps as the latter.

Ten labelled images are held out. Of the two pairs of near duplicates (10 and 43, 5 and 46) all four are trained on. Everything
is tuned on these ten alone, so the figures flatter all three alike; the published test images are not used.
"""

from __future__ import annotations

import argparse
import datetime
import json
import tempfile
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from bench import engines
from bench.data import REAL
from bench.machine import processor
from maskloom.models.bootstrap import paired_difference
from maskloom.models.slice_measures import SliceMeasures
from maskloom.pipelines import drive, recipes
from maskloom.pipelines.recipes import Recipe, SemiInfNet
from maskloom.pipelines.steps.evaluate import Measured
from maskloom.pipelines.steps.ingest import Intake, ingest
from maskloom.pipelines.stopping import Stop
from maskloom.pipelines.work import Progress
from maskloom.platform.bootstrap import Platform, open_platform
from maskloom.platform.catalog import steps
from maskloom.platform.facts import Split
from maskloom.platform.objects.sources import FolderSource, open_source
from maskloom.platform.settings import Settings

HELD_OUT = {2, 11, 15, 20, 26, 30, 35, 41, 50, 55}
OUT = Path(__file__).parents[2] / "docs/benchmarks/real-data.md"
SHOWN = (
    "mean_dice",
    "dice",
    "max_dice",
    "sensitivity",
    "specificity",
    "s_measure",
    "e_measure",
    "mae",
    "hd95",
    "lesion_recall",
)


class Watch:
    """Counts rounds and keeps the evaluation."""

    def __init__(self) -> None:
        self.rounds = 0
        self.measured: Measured | None = None

    def started(self, kind: str, round_number: int | None) -> None: ...
    def waiting(self, kind: str, round_number: int | None, holder: str) -> None: ...
    def progress(self, progress: Progress) -> None: ...

    def done(self, kind: str, round_number: int | None, output: Any) -> None:
        self.rounds = max(self.rounds, round_number or 0)
        if isinstance(output, Measured):
            self.measured = output
        print(f"{datetime.datetime.now():%H:%M:%S} {kind} {round_number or ''}", flush=True)


class Part(FolderSource):
    """The labelled images that are held out, or the others."""

    def __init__(self, root: Path, *, held_out: bool) -> None:
        super().__init__(root)
        self._held_out = held_out

    def names(self) -> list[str]:
        return [name for name in super().names() if (int(Path(name).stem) in HELD_OUT) == self._held_out]


def take_in(platform: Platform) -> None:
    for split, held_out in ((Split.LABELLED, False), (Split.TEST, True)):
        images, masks = (Part(REAL / "labelled" / name, held_out=held_out) for name in ("images", "masks"))
        ingest(
            platform,
            Intake(images=images, masks=masks, dataset="covid", split=split),
            lambda done, total: None,
        )
    pool = open_source(str(REAL / "unlabelled/images"))
    ingest(
        platform,
        Intake(images=pool, masks=None, dataset="covid", split=Split.UNLABELLED),
        lambda done, total: None,
    )


def equal_steps(semi: SemiInfNet, rounds: int) -> Recipe:
    """The supervised recipe with as many optimiser steps as `semi` takes in `rounds` rounds."""
    stages = [semi.supervised, *[semi.fine_tune] * rounds, semi.pretrain, semi.final]
    count = sum(stage.steps or 0 for stage in stages)
    return recipes.with_settings(recipes.named("supervised"), [f"supervised.steps={count}"])


def run(platform: Platform, name: str, recipe: Recipe, seed: int) -> dict[str, Any]:
    created, _ = drive.create(platform, recipe, "covid", seed)
    watch = Watch()
    print(f"== {name}, seed {seed}: run {created.id}", flush=True)
    drive.drive(platform, created, workers=1, observer=watch, stop=Stop())
    minutes = platform.database.transaction(lambda connection: _minutes(connection, created.id))
    assert watch.measured is not None
    rows = json.loads(platform.objects.get(watch.measured.details))
    for row in rows:
        del row["slice"]
    return {
        "name": name, "seed": seed, "rounds": watch.rounds, "minutes": minutes, "run": created,
        "estimates": watch.measured.estimates, "slices": [SliceMeasures(**row) for row in rows],
    }  # fmt: skip


def _minutes(connection: Connection, run: str) -> str:
    """How long the steps of a run took; of a step that was interrupted only its last attempt is known."""
    _, seconds = steps.totals(connection, run)
    interrupted = connection.scalar(
        text(
            "select count(*) from attempts where run = :run "
            "and not exists (select 1 from steps where steps.attempt = attempts.id)"
        ),
        {"run": run},
    )
    return f"{'more than ' if interrupted else ''}{seconds / 60:.0f}"


def page(results: list[dict[str, Any]], engine_rows: list[dict[str, Any]]) -> str:
    """The figures as Markdown."""
    by_engine = results[0]["run"].recipe["prediction"]
    lines = [
        "# Real data: COVID-SemiSeg, ten of the fifty labelled images held out",
        "",
        f"`make bench-real` on {datetime.datetime.now(datetime.UTC):%Y-%m-%d}: {processor()}, two cores.",
        "Each figure with its 95 % interval by bootstrap over the ten slices. Everything was tuned on these ten slices:",
        "compare rows with each other, not with published figures. `supervised` is the first stage of the run above it, which",
        "it finds done. `control` is `supervised` with as many optimiser steps as `semi-inf-net-quick` takes in all.",
        f"Predictions by {by_engine['engine']} {by_engine['precision']}.",
        "What was tried, and what of it helped, is in [real-data-tried.md](real-data-tried.md).",
        "",
        "| run | seed | minutes | " + " | ".join(SHOWN) + " |",
        "| --- | --- | --- |" + " --- |" * len(SHOWN),
    ]
    for result in results:
        cells = [
            f"{estimate['value']:.3f} ({estimate['low']:.3f} to {estimate['high']:.3f})"
            for estimate in (result["estimates"][name] for name in SHOWN)
        ]
        lines.append(
            f"| {result['name']} | {result['seed']} | {result['minutes']} | " + " | ".join(cells) + " |"
        )
    lines += [
        "",
        "## semi-inf-net-quick minus the control of equal steps, slice by slice",
        "",
        "| seed | mean Dice | Dice at 0.5 |",
        "| --- | --- | --- |",
    ]
    by_name = {(result["name"], result["seed"]): result["slices"] for result in results}
    for seed in sorted({result["seed"] for result in results}):
        pair = by_name.get(("semi-inf-net-quick", seed)), by_name.get(("control", seed))
        if pair[0] and pair[1]:
            difference = paired_difference(pair[0], pair[1], seed=0)
            cells = [
                f"{d.value:+.3f} ({d.low:+.3f} to {d.high:+.3f})"
                for d in (difference["mean_dice"], difference["dice"])
            ]
            lines.append(f"| {seed} | {cells[0]} | {cells[1]} |")
    lines += [
        "",
        "## Engines of prediction",
        "",
        "The same network of `semi-inf-net-quick` on the same slices; one that costs more than 0.003 would not do.",
        "",
        *engines.table(engine_rows),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    arguments.add_argument(
        "--home", type=Path, help="keep state here, so that the bench itself can be resumed"
    )
    arguments.add_argument("--out", type=Path, default=OUT)
    arguments.add_argument("--set", action="append", default=[], help="a value of semi-inf-net-quick")
    given = arguments.parse_args()
    semi = recipes.with_settings(recipes.named("semi-inf-net-quick"), given.set)
    assert isinstance(semi, SemiInfNet)
    home = given.home or Path(tempfile.mkdtemp(prefix="maskloom-real-"))
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o755)
    with open_platform(Settings(home=home)) as platform:
        take_in(platform)
        results = []
        for seed in given.seeds:
            # First, so that its minutes are those of the whole: `supervised` then has the same first stage and finds it done.
            results.append(run(platform, "semi-inf-net-quick", semi, seed))
            results.append(run(platform, "supervised", recipes.named("supervised"), seed))
            results.append(run(platform, "control", equal_steps(semi, results[-2]["rounds"]), seed))
        text = page(results, engines.measure(platform, results[0]["run"]))
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
