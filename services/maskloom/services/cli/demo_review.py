"""The second half of `maskloom demo --review`: the same job with readers, and what their minutes were good for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskloom.platform.errors import MaskloomError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console

    from maskloom.pipelines.review.summary import ReviewSummary
    from maskloom.platform.bootstrap import Platform
    from maskloom.platform.facts import Run
    from maskloom.services.bridge.label_studio.client import Client
    from maskloom.services.bridge.simulated import SimulatedReader
    from maskloom.services.bridge.tool import AnnotationTool

BUDGET, GOLD = 10, 2
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
    from maskloom.services.cli.driving import announce, drive_and_show
    from maskloom.services.cli.review import tell

    head(console, "3  Label Studio")
    client = _label_studio(platform, console)
    head(console, "4  Semi-Inf-Net with readers")
    readers = _readers(simulated, folder / "ct")
    recipe = recipes.with_settings(recipes.RECIPE.validate_python(alone.recipe), _settings(readers))
    run, is_new = drive.create(platform, recipe, alone.dataset, alone.seed)
    announce(platform, run, console, is_new=is_new)
    read = _reading(platform, run, client, readers, console) if readers else None
    drive_and_show(platform, run, 1, console, read=read)
    head(console, "5  Results")
    found = summary(platform, run)
    tell(found, console)
    for one, name in ((alone, "masks-without-readers"), (run, "masks-with-readers")):
        export_png(platform, one, folder / name)
    write_report(platform, run, folder / "report-with-readers.html")
    _tell_gain(platform, (alone, run), found, folder, console)
    console.print(f"\nThe report: {(folder / 'report-with-readers.html').as_uri()}", style="bold")


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


def _readers(count: int, ct: Path) -> list[SimulatedReader]:
    from maskloom.services.bridge.simulated import SimulatedReader

    truth = _truth(ct)
    return [
        SimulatedReader(
            name=f"reader-{number + 1}", truth=truth, bias=_BIASES[number % len(_BIASES)], seed=number
        )
        for number in range(count)
    ]


def _settings(readers: list[SimulatedReader]) -> list[str]:
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
    """Has the simulated readers answer all that waits for them."""
    from maskloom.services.bridge import sync
    from maskloom.services.bridge.label_studio.hand import LabelStudioHand

    def read(tool: AnnotationTool) -> None:
        desks = platform.database.transaction(lambda c: sync.desks_of(c, run))
        for desk in desks:
            reader = next(one for one in readers if one.name == desk.reader)
            masks = reader.read_all(LabelStudioHand(client, desk))
            console.print(f"{desk.reader} has answered {masks} masks in {tool.where(desk)}", style="dim")

    return read


def _tell_gain(
    platform: Platform, both: tuple[Run, Run], found: ReviewSummary, folder: Path, console: Console
) -> None:
    from maskloom.services.cli.output import listing
    from maskloom.services.cli.records import run_record

    tests = [_test_dice(run_record(platform, run)) for run in both]
    pools = [
        _pool_dice(folder / name, folder / "ct") for name in ("masks-without-readers", "masks-with-readers")
    ]
    minutes = sum(reader.total_s for reader in found.readers) / 60
    right = ("without readers", "with readers", "gain", "gain per expert minute")
    table = listing("mean Dice", *right, right=right)
    for name, (before, after) in (("test slices", tests), ("masks of the data set", pools)):
        gain = after - before
        a_minute = f"{gain / minutes:+.4f}" if minutes else "-"
        table.add_row(name, f"{before:.3f}", f"{after:.3f}", f"{gain:+.3f}", a_minute)
    console.print()
    console.print(table)
    console.print(f"{minutes:.1f} minutes of reading in all", style="dim")


def _test_dice(record: dict[str, Any]) -> float:
    return float(record["measures"]["dice"]["value"])


def _pool_dice(exported: Path, ct: Path) -> float:
    """Mean Dice of the masks that the pool's slices got, with the true ones."""
    from statistics import mean

    from maskloom.pipelines.review.agreement import agreement_on_slice
    from maskloom.platform.imaging.formats import decode_grey8

    truths = ct / "unlabelled" / "masks"
    return mean(
        agreement_on_slice(
            decode_grey8((exported / "masks" / "unlabelled" / file.relative_to(truths)).read_bytes()),
            decode_grey8(file.read_bytes()),
        ).dice
        for file in sorted(truths.rglob("*.png"))
    )
