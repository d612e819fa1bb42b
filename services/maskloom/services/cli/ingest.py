"""`maskloom ingest`: take slices and expert masks into a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from maskloom.platform.errors import SettingsError
from maskloom.platform.facts import Split
from maskloom.services.cli.options import AsJson, Dataset, not_empty
from maskloom.services.cli.place import connected, server

if TYPE_CHECKING:
    from rich.console import Console

    from maskloom.pipelines.steps.ingest import IngestReport

_SHOWN = 20


def ingest(
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH", parser=not_empty, help="A folder of PNG or JPEG slices, or an s3:// URL."
        ),
    ],
    *,
    dataset: Dataset,
    split: Annotated[Split, typer.Option(help="What the slices are for.")],
    masks: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            parser=not_empty,
            help="Expert masks: NAME.png for each slice NAME. A folder or an s3:// URL.",
        ),
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
    from maskloom.services.cli.output import people, print_json

    if not dataset.strip():
        raise SettingsError("a data set needs a name", hint="Give one with --dataset NAME.")
    console = people(as_json=as_json)
    url = server()
    if url is None:
        report = _ingest_here(path, masks, dataset, split, pattern, console)
    elif pattern is not None:
        raise SettingsError(
            "--pattern is for data on this machine: a server reads volumes and positions in its own way",
            hint="Leave it out, or run this where maskloom's data are.",
        )
    else:
        from maskloom.services.cli.transferring import ingest_there

        with connected(url) as client:
            report = ingest_there(client, path, masks, dataset, split, console)
    if as_json:
        print_json(report)
    else:
        tell(console, dataset, split, report)
    if strict and not report.clean:
        raise typer.Exit(1)


def _ingest_here(
    path: str, masks: str | None, dataset: str, split: Split, pattern: str | None, console: Console
) -> IngestReport:
    from maskloom.pipelines.steps import ingest as step
    from maskloom.pipelines.stopping import Stopped
    from maskloom.platform.bootstrap import open_platform
    from maskloom.platform.imaging.naming import DEFAULT_PATTERN, name_pattern
    from maskloom.platform.objects.sources import open_source
    from maskloom.services.cli.bars import counting

    intake = step.Intake(
        images=open_source(path),
        masks=open_source(masks) if masks else None,
        dataset=dataset,
        split=split,
        pattern=name_pattern(pattern or DEFAULT_PATTERN),
    )
    try:
        with open_platform() as platform, counting(console, "ingesting") as on_progress:
            return step.ingest(platform, intake, on_progress)
    except KeyboardInterrupt:
        hint = "Every slice is in whole or not at all: run the same command again to take in the rest."
        raise Stopped("the ingest was interrupted", hint=hint) from None


def tell(console: Console, dataset: str, split: Split, report: IngestReport) -> None:
    """Say what an ingest did, and what it set aside and why."""
    from rich.text import Text

    from maskloom.services.words import count

    news = f"{count(report.added, 'new slice')}, {count(report.labels_added, 'new mask')}"
    said = f", split {split}: {news}, {report.known:,} known before"
    console.print(Text.assemble((dataset, "bold"), said))
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
