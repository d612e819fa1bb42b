"""`python -m bench.review`: what reviews in Label Studio cost, written to docs/benchmarks/review.md."""

from __future__ import annotations

import datetime
import platform
from pathlib import Path

import psutil

from bench import bridge, brush, desk
from bench.machine import processor
from maskloom.services.bridge.label_studio.install import REQUIREMENT

OUT = Path(__file__).parents[2] / "docs/benchmarks/review.md"


def main() -> None:
    text = page(brush.measure(), desk.measure(), bridge.measure())
    OUT.write_text(text)
    print(text)


def page(codec: dict[str, float], pushed: dict[str, float], asked: dict[str, float]) -> str:
    """The page as Markdown."""
    lines = [
        "# Reviews in Label Studio",
        "",
        f"`make bench` on {datetime.datetime.now(datetime.UTC):%Y-%m-%d}: {processor()}, {psutil.cpu_count()} cores,",
        f"{psutil.virtual_memory().total >> 30} GiB, Python {platform.python_version()}, {REQUIREMENT} on the same machine.",
        f"Load average at the end: {psutil.getloadavg()[1]:.1f}.",
        "",
        "## Out and back",
        "",
        f"{desk.TASKS} masks of 512 x 512, {pushed['megabytes']:.0f} MB of JSON. Label Studio alone gets all of it in one",
        "request, ready made, into a new project; a push reads masks, encodes them, makes the project and sends them.",
        "",
        "| figure | measured | wanted |",
        "| --- | --- | --- |",
        f"| Label Studio's own import | {pushed['import_s']:.2f} s | |",
        f"| push | {pushed['push_s']:.2f} s | |",
        f"| push over import, in turn | {pushed['push_over_import']:.2f} | at most 1.3 |",
        f"| push again, when nothing has changed | {pushed['push_again_s']:.2f} s | |",
        f"| pull of {desk.CHANGED} changes | {pushed['pull_s']:.2f} s | at most 0.5 s |",
        "",
        "## The codec",
        "",
        f"{codec['masks']:.0f} masks of experts at 512 x 512, {codec['bytes']:.0f} bytes each as code: byte for byte the same.",
        "",
        "| figure | here | Label Studio's SDK | times as fast | wanted |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {way} | {codec[f'{way}_ms']:.2f} ms | {codec[f'sdk_{way}_ms']:.2f} ms "
            f"| {codec[f'sdk_{way}_ms'] / codec[f'{way}_ms']:.1f} | {wanted} |"
            for way, wanted in (("encode", 6.8), ("decode", 8.0))
        ),
        "",
        "## Answers",
        "",
        f"A slice is predicted at {bridge.SIZE} pixels when it is opened. The pull is a thread of the same process that reads",
        "masks without a pause.",
        "",
        "| figure | median | 99 of 100 below | wanted |",
        "| --- | --- | --- | --- |",
        f"| a slice without a mask is opened | {asked['open_p50_ms']:.0f} ms | {asked['open_p99_ms']:.0f} ms | at most 1 s |",
        f"| the first one, whose network has to be loaded | {asked['first_open_ms']:.0f} ms | | |",
        *(
            f"| {name} | {asked[f'{key}_p50_ms']:.1f} ms | {asked[f'{key}_p99_ms']:.1f} ms | at most 50 ms |"
            for name, key in (("a webhook", "webhook"), ("a webhook during a pull", "busy_webhook"))
        ),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
