"""`maskloom ingest`: take slices and expert masks into a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from maskloom.platform.errors import SettingsError
from maskloom.platform.facts import Split
from maskloom.services.cli.options import AsJson, Dataset

if TYPE_CHECKING:
    from rich.console import Console

    from maskloom.pipelines.steps.ingest import IngestReport, Intake

_SHOWN = 20


def ingest(
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="A folder of PNG or JPEG slices, or an s3:// URL.")
    ],
    *,
    dataset: Dataset,
    split: Annotated[Split, typer.Option(help="What the slices are for.")],
    masks: Annotated[
        str | None, typer.Option(help="Expert masks: NAME.png for each slice NAME. A folder or an s3:// URL.")
    ] = None,
    pattern: Annotated[
        str | None,
        typer.Option(help="Regular expression of names without ending, with groups volume and position."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 1 if a file was set aside or warned of.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Take slices, and the masks that experts drew, into a data set.

    What is bad is set aside with a reason and never stops the rest. Ingesting again adds nothing.
    """
    from maskloom.pipelines.steps import ingest as step
    from maskloom.pipelines.stopping import Stopped
    from maskloom.platform.bootstrap import open_platform
    from maskloom.platform.imaging.naming import DEFAULT_PATTERN, name_pattern
    from maskloom.platform.objects.sources import open_source
    from maskloom.services.cli.bars import counting
    from maskloom.services.cli.output import people, print_json

    if not dataset.strip():
        raise SettingsError("a data set needs a name", hint="Give one with --dataset NAME.")
    intake = step.Intake(
        images=open_source(path),
        masks=open_source(masks) if masks else None,
        dataset=dataset,
        split=split,
        pattern=name_pattern(pattern or DEFAULT_PATTERN),
    )
    console = people(as_json=as_json)
    try:
        with open_platform() as platform, counting(console, "ingesting") as on_progress:
            report = step.ingest(platform, intake, on_progress)
    except KeyboardInterrupt:
        hint = "Every slice is in whole or not at all: run the same command again to take in the rest."
        raise Stopped("the ingest was interrupted", hint=hint) from None
    if as_json:
        print_json(report)
    else:
        tell(console, intake, report)
    if strict and not report.clean:
        raise typer.Exit(1)


def tell(console: Console, intake: Intake, report: IngestReport) -> None:
    """Say what an ingest did, and what it set aside and why."""
    from rich.text import Text

    from maskloom.services.words import count

    news = f"{count(report.added, 'new slice')}, {count(report.labels_added, 'new mask')}"
    said = f", split {intake.split}: {news}, {report.known:,} known before"
    console.print(Text.assemble((intake.dataset, "bold"), said))
    if not report.added + report.known + len(report.set_aside):
        console.print("There is no file to take in.", style="yellow")
    if report.set_aside:
        console.print(f"\n{count(len(report.set_aside), 'file')} set aside:", style="yellow")
        _tell_first(console, [f"{bad.source}: {bad.reason}" for bad in report.set_aside])
    if report.warnings:
        console.print(f"\n{count(len(report.warnings), 'warning')}:", style="yellow")
        _tell_first(console, report.warnings)


def _tell_first(console: Console, lines: list[str]) -> None:
    for line in lines[:_SHOWN]:
        console.print(f"  {line}")
    if len(lines) > _SHOWN:
        console.print(f"  and {len(lines) - _SHOWN:,} more: `--json` names them all")
