"""What each prediction engine costs in Dice, with a network that a run has trained, against PyTorch in float32."""

from __future__ import annotations

import importlib.util
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from maskloom.models.bootstrap import summarise
from maskloom.models.slice_measures import SliceMeasures
from maskloom.pipelines import drive, recipes
from maskloom.pipelines.jobs import EvaluateJob, WorkerSettings
from maskloom.pipelines.results import newest_network
from maskloom.pipelines.workers.labeller import Labeller
from maskloom.platform.bootstrap import Platform
from maskloom.platform.facts import Split
from maskloom.platform.objects.store import open_store
from maskloom.platform.run_facts import Run

ENGINES = (("torch", "fp32"), ("torch", "bf16"), ("openvino", "fp32"), ("openvino", "bf16"))


def measure(platform: Platform, run: Run) -> list[dict[str, Any]]:
    """One row an engine: mean Dice and Dice at 0.5 of the run's newest network over the test split."""
    recipe = recipes.RECIPE.validate_python(run.recipe)
    pairs = drive.pairs_of(platform, run.dataset, Split.TEST)
    checkpoint = newest_network(platform, run).digest
    with tempfile.TemporaryDirectory(prefix="maskloom-bench-") as folder:
        objects = open_store(Path(folder).as_uri())  # so that no prediction stays in the run's own store
        objects.put_many(platform.objects.get_many([checkpoint, *(blob for pair in pairs for blob in pair)]))
        labeller = Labeller(
            WorkerSettings(objects_url=objects.url, threads=psutil.cpu_count(logical=False) or 1)
        )
        rows = []
        for engine, precision in ENGINES:
            if engine == "openvino" and not importlib.util.find_spec("openvino"):
                continue
            prediction = replace(recipe.prediction, engine=engine, precision=precision)  # type: ignore[arg-type]
            job = EvaluateJob(
                network=recipe.network, prediction=prediction, checkpoint=checkpoint, pairs=pairs
            )
            found = summarise([SliceMeasures(**row.measures) for row in labeller.evaluate(job)], seed=0)
            figures = {name: found[name].value for name in ("mean_dice", "dice")}
            rows.append({"engine": f"{engine} {precision}", **figures})
    return rows


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The rows as Markdown, with each engine's difference from the first."""
    return [
        "| engine | mean Dice | minus the first | Dice at 0.5 | minus the first |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {row['engine']} | {row['mean_dice']:.4f} | {row['mean_dice'] - rows[0]['mean_dice']:+.4f} "
            f"| {row['dice']:.4f} | {row['dice'] - rows[0]['dice']:+.4f} |"
            for row in rows
        ),
    ]
