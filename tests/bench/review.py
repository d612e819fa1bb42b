"""`python -m bench.review`: what reviews in Label Studio cost, written to docs/benchmarks/review.md."""

from __future__ import annotations

import datetime
import platform
from pathlib import Path

import psutil

from bench import bridge, brush, desk, ward
from bench.machine import processor
from maskloom.services.bridge.label_studio.install import REQUIREMENT

OUT = Path(__file__).parents[2] / "docs/benchmarks/review.md"


def main() -> None:
    codec = brush.measure()
    with bridge.bridged() as made:
        carried = desk.measure(made)
        answered = bridge.measure(made)
    text = page(codec, carried, answered)
    OUT.write_text(text)
    print(text)


def page(codec: dict[str, float], carried: dict[str, float], answered: dict[str, float]) -> str:
    """The page as Markdown."""
    size = f"{brush.SIZE} x {brush.SIZE}"
    lines = [
        "# Reviews in Label Studio",
        "",
        f"`make bench` on {datetime.datetime.now(datetime.UTC):%Y-%m-%d}: {processor()}, {psutil.cpu_count()} cores,",
        f"{psutil.virtual_memory().total >> 30} GiB, Python {platform.python_version()}, {REQUIREMENT} on the same machine.",
        f"Load average at the end: {psutil.getloadavg()[1]:.1f}.",
        "",
        "## Out and back",
        "",
        f"{ward.TASKS} masks of {size}, {carried['megabytes']:.0f} MB of JSON. Label Studio alone gets the very JSON of a",
        "push, ready made, in a new project. A push reads the review and its masks, encodes them, makes the project with its",
        f"callbacks and sends {carried['portions']:.0f} requests. Medians of {desk.TURNS} turns; ratios are of one turn.",
        "",
        "| figure | measured | wanted |",
        "| --- | --- | --- |",
        f"| Label Studio's own import, in one request | {carried['whole_s']:.2f} s | |",
        f"| Label Studio's own import, in as many requests | {carried['portions_s']:.2f} s | |",
        f"| push | {carried['push_s']:.2f} s | |",
        f"| push over import in one request | {carried['push_over_whole']:.2f} | at most 1.3 |",
        f"| push over import in as many requests | {carried['push_over_portions']:.2f} | |",
        f"| push again, when nothing has changed | {carried['again_s']:.2f} s | |",
        f"| pull of {desk.CHANGED} changes, until they are in the catalog | {carried['pull_s']:.2f} s | at most 0.5 s |",
        "",
        "## The codec",
        "",
        f"{codec['masks']:.0f} masks of experts at {size}, {codec['bytes']:.0f} bytes each as code: byte for byte the same.",
        "",
        "| figure | here | wanted | Label Studio's SDK | times as fast | wanted |",
        "| --- | --- | --- | --- | --- | --- |",
        *(
            f"| {way} | {codec[f'{way}_ms']:.2f} ms | {wanted} | {codec[f'sdk_{way}_ms']:.2f} ms "
            f"| {codec[f'sdk_{way}_ms'] / codec[f'{way}_ms']:.1f} | {times} |"
            for way, wanted, times in (("encode", "at most 0.34 ms", 6.8), ("decode", "at most 0.75 ms", 8.0))
        ),
        "",
        "## Answers",
        "",
        f"A slice is predicted at {bridge.SIZE} pixels when it is opened. The pull is the first of a run, which reads all",
        "tasks, in the process that answers.",
        "",
        "| figure | median | 99 of 100 below | wanted, at most |",
        "| --- | --- | --- | --- |",
        f"| a slice without a mask is opened | {answered['open_p50_ms']:.0f} ms | {answered['open_p99_ms']:.0f} ms | 1 s |",
        f"| the first one, whose network has to be loaded | {answered['first_open_ms']:.0f} ms | | |",
        *(
            f"| {name} | {found[f'{key}_p50_ms']:.1f} ms | {found[f'{key}_p99_ms']:.1f} ms | 50 ms |"
            for name, found, key in (
                ("a webhook", answered, "webhook"),
                ("a webhook during a pull", carried, "busy_webhook"),
            )
        ),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
