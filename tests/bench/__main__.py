"""`make bench`, but for reviews: what one machine can measure of speed, written to docs/benchmarks/single-machine.md."""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import platform
import resource
from pathlib import Path
from typing import Any

import psutil

from bench import intake, rounds
from bench.as_actor import as_actor
from bench.machine import processor

OUT = Path(__file__).parents[2] / "docs/benchmarks/single-machine.md"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument(
        "--slices", type=int, help="label only so many slices in the rounds (default: all, 320 rounds)"
    )
    arguments.add_argument("--out", type=Path, default=OUT)
    given = arguments.parse_args()
    engines = ["torch"] + (["openvino"] if importlib.util.find_spec("openvino") else [])
    label_rows = [row for engine in engines for row in as_actor("bench.labelling", engine)]
    figures = rounds.measure(given.slices)
    text = page(figures, as_actor("bench.checkpoint"), label_rows, intake.measure())
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(text)
    print(text)


def page(
    figures: dict[str, Any],
    parts: dict[str, float],
    label_rows: list[dict[str, Any]],
    taken_in: dict[str, float],
) -> str:
    """The page as Markdown."""
    peak = (
        max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        / 1024
    )
    lines = [
        "# One machine",
        "",
        f"`make bench` on {datetime.datetime.now(datetime.UTC):%Y-%m-%d}: {processor()}, {psutil.cpu_count()} cores,",
        f"{psutil.virtual_memory().total >> 30} GiB, Python {platform.python_version()}.",
        f"Load average at the end: {psutil.getloadavg()[1]:.1f}. Largest process: {peak:.0f} MiB.",
        "",
        "## A round besides its forward and backward passes",
        "",
        f"Real slices, group size 5, {figures['rounds']} rounds; sample, store, decode, commit, checkpoint. The network is",
        "EfficientNet-Lite0 at 64 pixels with one training step a round.",
        "",
        "| figure | measured | wanted |",
        "| --- | --- | --- |",
        f"| median of all rounds | {figures['median_s']:.3f} s | at most 0.15 s |",
        f"| last twenty against first twenty | {figures['last_over_first']:.2f} | at most 1.2 |",
        f"| last twenty against another run's first twenty | {figures['last_over_fresh']:.2f} | at most 1.2 |",
        *(
            f"| median at {name.split(' at ')[1]}, {name.split(' at ')[0]} | {spent:.3f} s | |"
            for name, spent in figures["at_size_s"].items()
        ),
        f"| replay of the finished run | {figures['replay_s']:.2f} s | at most 2 s |",
        "",
        "Median of each forty rounds: "
        + ", ".join(f"{s * 1000:.0f}" for s in figures["stretches_s"])
        + " ms.",
        f"The first twenty lie {figures['rounds_s']:.0f} s before the last; the other run is begun right after them.",
        "Median by step: "
        + ", ".join(f"{kind} {spent * 1000:.0f} ms" for kind, spent in figures["median_s_by_step"].items())
        + ".",
        "A checkpoint is written and read once in each of these rounds; its parts, in one process: "
        + ", ".join(f"{part} {spent * 1000:.0f} ms" for part, spent in parts.items())
        + ".",
        "",
        "## Labelling, object store to stored masks, against the bare forward pass (batch 8)",
        "",
        "| network | engine | end to end, images/s | bare, images/s | ratio (wanted: 0.85) |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {row['case']} | {row['engine']} | {row['end_to_end']:.1f} | {row['bare']:.1f} | {row['ratio']:.2f} |"
            for row in label_rows
        ),
        "",
        "## Ingest",
        "",
        f"{taken_in['slices']:.0f} JPEGs into an empty home: {taken_in['first_s']:.1f} s (wanted: at most 20 s);",
        f"again, when all are known: {taken_in['again_s']:.1f} s.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
