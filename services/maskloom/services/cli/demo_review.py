"""The second half of `maskloom demo --review`: the same job with readers, and what their minutes were good for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from maskloom.platform.errors import MaskloomError, ToolUnavailable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console

    from maskloom.pipelines.review.summary import ReviewSummary
    from maskloom.platform.bootstrap import Platform
    from maskloom.platform.run_facts import Run
    from maskloom.services.bridge.label_studio.client import Client
    from maskloom.services.bridge.simulated import SimulatedReader
    from maskloom.services.bridge.tool import AnnotationTool

BUDGET, GOLD = 20, 2
"""How many masks of a round are read, and how many expert masks each reader gets besides."""
_BIASES = (1.0, -1.0, 0.5, -0.5)
"""By how many pixels the simulated readers draw too large or too small, in turn."""


def review(platform: Platform, alone: Run, folder: Path, simulated: int, console: Console) -> None:
    """Run the recipe of the finished run `alone` with readers on Label Studio, and compare.

    Args:
        folder: of the demo, with its CT in `ct`. The masks and the report go there.
        simulated: how many readers to simulate; with 0 the round waits for a person.
    """
    from maskloom.pipelines import drive, recipes
    from maskloom.pipelines.export import export_png
    from maskloom.pipelines.report import write_report
    from maskloom.pipelines.review.summary import summary
    from maskloom.services.cli.demo import head
    from maskloom.services.cli.driving import drive_and_show
    from maskloom.services.cli.review import tell
    from maskloom.services.cli.telling import announce
    from maskloom.services.records import run_record

    head(console, "3  Label Studio")
    client = _label_studio(platform, console)
    head(console, "4  Semi-Inf-Net with readers")
    readers = imperfect_readers(simulated, folder / "ct")
    recipe = recipes.with_settings(recipes.RECIPE.validate_python(alone.recipe), review_settings(readers))
    run, is_new = drive.create(platform, recipe, alone.dataset, alone.seed)
    announce(console, run_record(platform, run), is_new=is_new)
    drive_and_show(platform, run, 1, console, read=_reading(platform, run, client, readers, console))
    head(console, "5  Results")
    found = summary(platform, run)
    tell(found, console)
    # With other readers it is another run.
    masks, report = folder / f"masks-{run.id}", folder / f"report-{run.id}.html"
    export_png(platform, run, masks)
    write_report(platform, run, report)
    _tell_gain(platform, alone, run, found, _truth(folder / "ct"), console)
    console.print("\nLook at", style="bold")
    console.print(f"  the report  {report.as_uri()}")
    console.print(f"  the masks   {masks}")


def _label_studio(platform: Platform, console: Console) -> Client:
    """The Label Studio that is set, else the home's own, which is started."""
    from maskloom.services.bridge.label_studio import server
    from maskloom.services.bridge.label_studio.tool import client_of
    from maskloom.services.cli.review import tell_started

    settings = platform.settings
    if settings.label_studio_url is None:
        tell_started(server.up(settings.home, lambda what: console.print(what, style="dim")), console)
    client = client_of(settings)
    if client is None:
        raise MaskloomError("Label Studio has ended again", hint="Start it with `maskloom review up`.")
    return client


def imperfect_readers(count: int, ct: Path) -> list[SimulatedReader]:
    """Readers who know the true masks of the CT in `ct`, each imperfect in another way."""
    from maskloom.services.bridge.simulated import SimulatedReader

    truth = _truth(ct)
    return [
        SimulatedReader(
            name=f"reader-{number + 1}", truth=truth, bias=_BIASES[number % len(_BIASES)], seed=number
        )
        for number in range(count)
    ]


def review_settings(readers: list[SimulatedReader]) -> list[str]:
    """What makes rounds of the demo wait for these readers; for people, where there are none."""
    names = ",".join(f'"{reader.name}"' for reader in readers)
    named = [f"review.readers=[{names}]", f"review.readings={min(2, len(readers))}"] if readers else []
    return ["review.mode=required", f"review.budget={BUDGET}", f"review.gold={GOLD}", *named]


def _truth(ct: Path) -> Callable[[str], NDArray[np.uint8]]:
    """Gives the true mask of a slice, by the digest of its file."""
    from maskloom.platform.fingerprint import sha256
    from maskloom.platform.imaging.formats import decode_grey8

    @cache
    def masks() -> dict[str, Path]:
        images = ct.glob("*/images/**/*.png")
        return {
            sha256(file.read_bytes()): ct / split / "masks" / Path(*rest)
            for file in images
            for split, _, *rest in [file.relative_to(ct).parts]
        }

    return lambda slice_: decode_grey8(masks()[slice_].read_bytes())


def _reading(
    platform: Platform, run: Run, client: Client, readers: list[SimulatedReader], console: Console
) -> Callable[[AnnotationTool], None]:
    """Has the simulated readers, where there are any, answer all that waits for them."""
    from maskloom.services.bridge import sync
    from maskloom.services.bridge.label_studio.hand import LabelStudioHand

    by_name = {reader.name: reader for reader in readers}

    def read(tool: AnnotationTool) -> None:
        desks = platform.database.transaction(lambda c: sync.desks_of(c, run))
        try:
            for desk in desks:
                reader = by_name.get(desk.reader)
                if reader and (masks := reader.read_all(LabelStudioHand(client, desk))):
                    told = f"{desk.reader} has answered {masks} masks in {tool.where(desk)}"
                    console.print(told, style="dim")
        except ToolUnavailable as error:  # under load; it is asked again
            console.print(f"the readers try again: {error.message}", style="dim")

    return read


def _tell_gain(
    platform: Platform,
    alone: Run,
    run: Run,
    found: ReviewSummary,
    truth: Callable[[str], NDArray[np.uint8]],
    console: Console,
) -> None:
    from maskloom.pipelines.history import labels_of_run
    from maskloom.services.cli.output import listing
    from maskloom.services.records import run_record

    unchecked = _final_masks(platform, alone)
    every = {record.slice: record.mask for record in labels_of_run(platform, run)}
    checked = {slice_: every[slice_] for slice_ in unchecked}
    figures = {
        "test slices": tuple(
            float(run_record(platform, one)["measures"]["dice"]["value"]) for one in (alone, run)
        ),
        "masks of the pool": tuple(_mean_dice(platform, masks, truth) for masks in (unchecked, checked)),
    }
    minutes = sum(reader.total_s for reader in found.readers) / 60
    right = ("without readers", "with readers", "gain", "gain per expert minute")
    table = listing("mean Dice", *right, right=right)
    for name, (before, after) in figures.items():
        gain = after - before
        a_minute = f"{gain / minutes:+.4f}" if minutes else "-"
        table.add_row(name, f"{before:.3f}", f"{after:.3f}", f"{gain:+.3f}", a_minute)
    console.print(table)
    console.print(f"{minutes:.1f} minutes of reading in all", style="dim")


def _final_masks(platform: Platform, run: Run) -> dict[str, str]:
    """The masks that the finished network gave, by slice.

    Not `labels_of_run`: what readers decide in one run goes before the masks of all runs on the data set.
    """
    from maskloom.platform.catalog import step_labels, steps

    taken = platform.database.transaction(lambda connection: steps.of_run(connection, run.id))
    (final,) = (step for step in taken if step.kind == "label" and step.round is None)
    made = platform.database.transaction(lambda connection: step_labels.of_step(connection, final.key))
    return {label.slice: label.mask for label in made}


def _mean_dice(platform: Platform, masks: dict[str, str], truth: Callable[[str], NDArray[np.uint8]]) -> float:
    from statistics import mean

    from maskloom.pipelines.review.agreement import agreement_on_slice
    from maskloom.platform.imaging.formats import decode_grey8
    from maskloom.platform.imaging.masks import binary

    return mean(
        agreement_on_slice(binary(decode_grey8(platform.objects.get(mask))), truth(slice_)).dice
        for slice_, mask in masks.items()
    )
