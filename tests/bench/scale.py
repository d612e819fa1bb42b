"""`make bench-scale`: labelling with many actors, and many slices, written to docs/benchmarks/scale.md.

It takes hours with a million slices. A short run, which says so on its page: `--slices 100000 --actors 8`.
"""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path
from typing import Any

import psutil
import torch

from bench.as_actor import as_actor
from bench.machine import processor

OUT = Path(__file__).parents[2] / "docs/benchmarks/scale.md"
_SECONDS = 0.1
"""What a slice takes in a stand-in for the network."""
_IDLE_ACTORS = 16
_RECOVERY_POOL = 160
_KILLED = {"label": "labeller", "train": "trainer"}
_WANTED_S = {"label": 3, "train": 15}
_FEWEST = 100_000
_TIMES_FEWER = (100, 10, 1)
_GPU_SLICES = 8000
_GPU_BATCHES = (8, 64)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--slices", type=int, default=1_000_000, help="in the largest pool")
    arguments.add_argument("--actors", type=int, default=64, help="how many at most")
    arguments.add_argument("--out", type=Path, default=OUT)
    given = arguments.parse_args()
    if given.slices < _FEWEST:
        arguments.error(
            f"--slices: at least {_FEWEST:,}, or the smallest pool ends before its rate can be told"
        )
    numbers = [1 << power for power in range(given.actors.bit_length()) if 1 << power <= given.actors]
    actors = [as_actor("bench.scale_actors", number, _SECONDS) for number in numbers]
    idle = as_actor("bench.scale_idle", _IDLE_ACTORS)
    gpus = torch.cuda.device_count()
    network = [] if gpus else [as_actor("bench.scale_network", workers) for workers in (1, 2)]
    on_gpus = [
        as_actor("bench.scale_gpu", workers, _GPU_SLICES, batch)
        for workers in sorted({1, gpus})
        for batch in _GPU_BATCHES
        if gpus
    ]
    recovery = [
        (kind, workers, as_actor("bench.scale_recovery", kind, workers, _RECOVERY_POOL))
        for kind in ("label", "train")
        for workers in (2, 1)
    ]
    costs = [as_actor("bench.scale_costs", given.slices // times) for times in _TIMES_FEWER]
    text = page(actors, idle, network, on_gpus, recovery, costs)
    given.out.write_text(text)
    print(text)


def page(
    actors: list[dict[str, Any]],
    idle: float,
    network: list[float],
    on_gpus: list[dict[str, Any]],
    recovery: list[tuple[str, int, float]],
    costs: list[dict[str, Any]],
) -> str:
    """The page as Markdown."""
    lines = [
        "# Many actors, many slices",
        "",
        f"`make bench-scale` on {datetime.datetime.now(datetime.UTC):%Y-%m-%d}: {processor()}, {psutil.cpu_count()} cores,",
        f"{psutil.virtual_memory().total >> 30} GiB. Everything is embedded: PostgreSQL, a folder as object store, Ray.",
        "All actors, the driver, PostgreSQL and the object store share these cores.",
        f"The largest pool has {costs[-1]['count']:,} slices; a million are wanted.",
        "",
        *_actors(actors, idle),
        *(_gpus(on_gpus) if on_gpus else _network(network)),
        *_recovery(recovery),
        *_costs(costs),
        *_memory(costs),
        *_catalog(costs),
    ]
    return "\n".join(lines) + "\n"


def _actors(rows: list[dict[str, Any]], idle: float) -> list[str]:
    who = list(rows[0]["busy"])
    return [
        "## Actors",
        "",
        f"Labellers whose network takes {rows[0]['seconds'] * 1000:.0f} ms for each slice, by sleeping.",
        "They read slices of 32 pixels and store a mask for each, 8 at a time; the driver commits them. Efficiency: slices a",
        "second against those that so many actors would do if all else cost nothing, from when all have started (the first",
        "begin to work before the last are there) until somebody has nothing left to do.",
        "",
        "| actors | slices | slices a second | efficiency | from the first labels until all have started |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {row['actors']} | {row['slices']:,} | {row['rate']:.0f} | {row['efficiency']:.3f} "
            f"| {row['started_s']:.0f} s |"
            for row in rows
        ),
        "",
        "Wanted: 0.95 with 64.",
        "",
        f"How many of the {psutil.cpu_count()} cores were busy meanwhile, and with whom. `all` is the machine's own count,",
        "with interrupts and with processes that ended meanwhile:",
        "",
        "| actors | " + " | ".join(who) + " |",
        "| --- " * (len(who) + 1) + "|",
        *(
            f"| {row['actors']} | " + " | ".join(f"{row['busy'][one]:.2f}" for one in who) + " |"
            for row in rows
        ),
        "",
        f"An actor that waits takes {idle * 1000:.1f} ms of a core each second ({_IDLE_ACTORS} of them, measured for 20 s):",
        f"Ray wakes it. For {rows[-1]['actors']} that is {idle * rows[-1]['actors']:.2f} cores.",
        "",
    ]


def _network(rates: list[float]) -> list[str]:
    one, two = rates
    return [
        "## With the real network",
        "",
        "EfficientNet-Lite0 at 320 pixels, as `semi-inf-net-quick` settles engine and precision here, one round:",
        f"{one:.2f} slices a second with one worker, {two:.2f} with two, which is {two / one:.2f} times as many.",
        f"One worker computes with all {psutil.cpu_count()} cores, and two share them.",
        "",
    ]


def _gpus(rows: list[dict[str, Any]]) -> list[str]:
    return [
        "## With the real network, on a GPU",
        "",
        f"Res2Net-50 at 352 pixels in bf16 labels {rows[0]['slices']:,} slices of 512 pixels in one round.",
        f"{torch.cuda.get_device_name()}. Busy: the share of the time in which the first GPU worked, as NVIDIA's driver",
        "tells it (wanted: 0.9).",
        "",
        "| labellers, a GPU each | batch | slices a second | GPU busy |",
        "| --- | --- | --- | --- |",
        *(f"| {row['workers']} | {row['batch']} | {row['rate']:.0f} | {row['busy']:.2f} |" for row in rows),
        "",
        "Training, and the network alone: `make bench-gpu` (models-cuda.md).",
        "",
    ]


def _recovery(rows: list[tuple[str, int, float]]) -> list[str]:
    return [
        "## Recovery",
        "",
        "An actor is killed (`kill -9`) in the midst of its work, once each, with EfficientNet-Lite0. Seconds until the next",
        "labels are committed, or until the trainers train again. All start anew on these cores; each loads torch first.",
        "Labels come by tasks of 32 slices: the only labeller has to do one of these first.",
        "",
        "| killed | seconds | wanted |",
        "| --- | --- | --- |",
        *(
            f"| {_KILLED[kind]}, {'the only one' if workers == 1 else f'one of {workers}'} | {seconds:.1f} "
            f"| {_WANTED_S[kind]} |"
            for kind, workers, seconds in rows
        ),
        "",
        "The head of a Ray cluster, and all else that may end: cluster-faults.md.",
        "",
    ]


def _costs(rows: list[dict[str, Any]]) -> list[str]:
    kinds = [kind for kind in ("sample", "label", "gate", "merge", "rest") if kind in rows[-1]["seconds"]]
    first, last = (
        sum(rows[place]["seconds"][kind] for kind in kinds) / rows[place]["count"] for place in (0, -1)
    )
    return [
        "## By the slice",
        "",
        "What is left when the network takes no time: a run whose pool is one group, with two actors. Milliseconds by the",
        "slice; `label` counts from the first labels, which wait for Ray to start.",
        "",
        "| slices | " + " | ".join(kinds) + " | all |",
        "| --- " * (len(kinds) + 2) + "|",
        *(
            f"| {row['count']:,} | "
            + " | ".join(f"{row['seconds'][kind] / row['count'] * 1000:.3f}" for kind in kinds)
            + f" | {sum(row['seconds'][kind] for kind in kinds) / row['count'] * 1000:.2f} |"
            for row in rows
        ),
        "",
        f"The last over the first: {last / first:.2f} (wanted: at most 1.3).",
        "",
    ]


def _memory(rows: list[dict[str, Any]]) -> list[str]:
    return [
        "## Memory while slices are labelled",
        "",
        "MiB of the driver / of its largest actor, when so much of the pool was labelled.",
        "",
        "| slices | " + " | ".join(f"{share:.0%}" for share, _, _ in rows[-1]["memory"]) + " |",
        "| --- " * (len(rows[-1]["memory"]) + 1) + "|",
        *(
            f"| {row['count']:,} | "
            + " | ".join(f"{driver:.0f} / {actor:.0f}" for _, driver, actor in row["memory"])
            + " |"
            for row in rows
        ),
        "",
    ]


def _catalog(rows: list[dict[str, Any]]) -> list[str]:
    return [
        "## The catalog",
        "",
        "Bytes in PostgreSQL by the slice, indexes included: what a run's snapshot of the pool takes, and what its labels,",
        "the gate's decisions and the training set take.",
        "",
        "| slices | snapshot | run |",
        "| --- | --- | --- |",
        *(
            f"| {row['count']:,} | {(row['bytes'][1] - row['bytes'][0]) / row['count']:.0f} "
            f"| {(row['bytes'][2] - row['bytes'][1]) / row['count']:.0f} |"
            for row in rows
        ),
        "",
    ]


if __name__ == "__main__":
    main()
