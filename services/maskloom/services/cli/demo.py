"""`maskloom demo`: the whole job on synthetic chest CT, for a first look and to test an installation."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maskloom.platform.facts import Split

if TYPE_CHECKING:
    from rich.console import Console

    from maskloom.platform.bootstrap import Platform

DATASET = "demo"
RECIPE = "semi-inf-net-quick"
SETTINGS = [
    "prediction.size=128",
    "prediction.engine=torch",  # OpenVINO compiles each network for longer than it then saves on so few slices
    "sampler.group_size=40",
    "gate.kind=area",  # after so short a training no network is confident
    *(f"{stage}.size=128" for stage in ("supervised", "fine_tune", "pretrain", "final")),
    "supervised.steps=120",
    "fine_tune.steps=40",
    "pretrain.steps=60",
    "final.steps=60",
]
_PIXELS = 256
_PATIENTS = {
    Split.LABELLED: (range(1, 7), 6),
    Split.UNLABELLED: (range(7, 19), 10),
    Split.TEST: (range(19, 25), 6),
}
"""Which patients each split has, and how many slices of each."""


def demo(
    review: Annotated[
        bool, typer.Option("--review", help="Then do it again with readers, in a real Label Studio.")
    ] = False,
    simulate_readers: Annotated[
        int,
        typer.Option(min=0, max=9, help="With --review: so many imperfect readers that nobody has to be."),
    ] = 0,
) -> None:
    """Do the whole job on synthetic chest CT, and look at the report.

    Takes some minutes, and moments when it is asked for again.
    """
    from maskloom.pipelines import drive, recipes
    from maskloom.pipelines.export import export_png
    from maskloom.pipelines.report import write_report
    from maskloom.platform.bootstrap import open_platform
    from maskloom.services.cli import demo_review
    from maskloom.services.cli.driving import drive_and_show
    from maskloom.services.cli.output import people
    from maskloom.services.cli.telling import announce, tell_result
    from maskloom.services.records import run_record
    from maskloom.services.words import duration

    if simulate_readers and not review:
        raise typer.BadParameter("it goes with --review", param_hint="--simulate-readers")
    console = people()
    began = time.monotonic()
    with open_platform() as platform:
        folder = platform.settings.home / "demo"
        head(console, "1  Synthetic chest CT")
        _ingest(platform, draw(folder / "ct", console), console)
        head(console, "2  Semi-Inf-Net")
        recipe = recipes.with_settings(recipes.named(RECIPE), SETTINGS)
        run, is_new = drive.create(platform, recipe, DATASET, 0)
        announce(console, run_record(platform, run), is_new=is_new)
        drive_and_show(platform, run, 1, console)
        if review:
            demo_review.review(platform, run, folder, simulate_readers, console)
            return
        head(console, "3  Results")
        export_png(platform, run, folder / "masks")
        write_report(platform, run, folder / "report.html")
        record = run_record(platform, run)
    tell_result(console, record)
    console.print(f"\nDone in {duration(time.monotonic() - began)}. Look at", style="bold")
    console.print(f"  the report  {(folder / 'report.html').as_uri()}")
    console.print(f"  the masks   {folder / 'masks'}")
    console.print(f"  one mask    maskloom show {run.id} --slice patient_07/slice_04.png")


def head(console: Console, title: str) -> None:
    """Begin a part of the demo."""
    console.print(f"\n{title}", style="bold cyan")


def draw(folder: Path, console: Console) -> Path:
    """Draw the patients into `folder`/SPLIT/images and masks, unless they are there."""
    import shutil

    import cv2

    from maskloom.pipelines.out_folder import writing
    from maskloom.platform.imaging.phantom import phantom_volume
    from maskloom.services.cli.bars import counting

    if folder.exists():
        return folder
    partial = folder.with_name("ct.partial")
    shutil.rmtree(partial, ignore_errors=True)
    every = [
        (split, patient, count) for split, (patients, count) in _PATIENTS.items() for patient in patients
    ]
    with writing(folder), counting(console, "drawing patients") as on_progress:
        for number, (split, patient, count) in enumerate(every, start=1):
            for kind, pixels in zip(
                ("images", "masks"), phantom_volume(patient, count, _PIXELS), strict=True
            ):
                target = partial / split / kind / f"patient_{patient:02}"
                target.mkdir(parents=True)
                for position, slice_ in enumerate(pixels, start=1):
                    cv2.imwrite(str(target / f"slice_{position:02}.png"), slice_)
            on_progress(number, len(every))
        partial.rename(folder)
    return folder


def _ingest(platform: Platform, folder: Path, console: Console) -> None:
    from maskloom.pipelines.steps.ingest import Intake, ingest
    from maskloom.platform.objects.sources import open_source
    from maskloom.services.cli.bars import counting
    from maskloom.services.cli.ingest import tell

    for split in _PATIENTS:
        images, masks = (open_source(str(folder / split / kind)) for kind in ("images", "masks"))
        intake = Intake(
            images=images, masks=None if split is Split.UNLABELLED else masks, dataset=DATASET, split=split
        )
        with counting(console, "ingesting") as on_progress:
            report = ingest(platform, intake, on_progress)
        # Without its warnings: phantoms resemble each other as no two patients do.
        tell(console, intake.dataset, intake.split, replace(report, warnings=[]))
