"""Labelling by the real network with one worker and with two, through the whole of a run."""

from __future__ import annotations

from bench.data import bench_platform
from bench.labels_came import LabelsCame
from bench.rounds import SETTINGS
from maskloom.pipelines import drive, recipes
from maskloom.pipelines.stopping import Stop
from maskloom.platform.facts import Split
from support.painted import DATASET, ingest_phantom

POOL = 160
SIZE = 320


def measure(workers: int) -> float:
    """Slices a second, from the first labels of a round to its last, by the network of semi-inf-net-quick."""
    settings = [
        *(setting for setting in SETTINGS if not setting.startswith("prediction")),
        "network.weights=random",
        f"prediction.size={SIZE}",
        f"sampler.group_size={POOL}",
        "final_labels=refused",
    ]
    with bench_platform() as platform:
        ingest_phantom(platform, platform.settings.home / "labelled", Split.LABELLED, 8, 1)
        ingest_phantom(platform, platform.settings.home / "pool", Split.UNLABELLED, POOL, 2)
        recipe = recipes.with_settings(recipes.named("semi-inf-net-quick"), settings)
        run, _ = drive.create(platform, recipe, DATASET, seed=1)
        observer = LabelsCame()
        drive.drive(platform, run, workers=workers, observer=observer, stop=Stop())
    return observer.rate()
