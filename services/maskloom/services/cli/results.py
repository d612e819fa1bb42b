"""`maskloom evaluate`, `predict`, `export` and `report`: what to do with what a run has made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from maskloom.platform.errors import SettingsError
from maskloom.platform.facts import Split
from maskloom.services.cli.options import AsJson, Dataset, RunId, Workers, not_empty, written_to
from maskloom.services.cli.place import connected, server

if TYPE_CHECKING:
    from rich.console import Console

    from maskloom.pipelines.export import ExportSummary


def evaluate(
    run: RunId,
    *,
    dataset: Dataset,
    split: Annotated[Literal["test", "labelled"], typer.Option(help="Slices with expert masks.")] = "test",
    workers: Workers = 1,
    as_json: AsJson = False,
) -> None:
    """Measure a run's network on slices with expert masks."""
    from maskloom.pipelines import drive, results
    from maskloom.pipelines.stopping import Stop, Stopped, stopping_on_signals
    from maskloom.platform.bootstrap import open_platform
    from maskloom.services.cli.output import measures_table, people, print_json
    from maskloom.services.cli.progress import showing

    console = people(as_json=as_json)
    stop = Stop()
    with open_platform() as platform:
        one = drive.find(platform, run)
        try:
            with stopping_on_signals(stop), showing(console) as observer:
                measured = results.evaluate(
                    platform, one, dataset, Split(split), workers=workers, observer=observer, stop=stop
                )
        except Stopped:
            raise Stopped("the evaluation was interrupted", hint="Run the same command again.") from None
    if as_json:
        print_json(measured)
        return
    console.print(f"run {one.id} on the {split} slices of {dataset} ({measured.count})", style="bold")
    console.print(measures_table(measured.estimates))
    if split == "labelled" and dataset == one.dataset:
        console.print("The network was trained on these very slices: the figures flatter it.", style="yellow")


def predict(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN", parser=not_empty, help="A run's id or its first digits, or champion:DATASET."
        ),
    ],
    images: Annotated[
        str,
        typer.Argument(
            metavar="IMAGES", parser=not_empty, help="A folder of PNG or JPEG slices, or an s3:// URL."
        ),
    ],
    *,
    out: Annotated[Path, written_to("Folder for masks/, soft/ and predictions.csv.")],
    as_json: AsJson = False,
) -> None:
    """Draw masks for any images with a run's network, or with the one that is a data set's champion now."""
    from maskloom.pipelines import results
    from maskloom.pipelines.registry.following import run_of
    from maskloom.pipelines.stopping import Stop, Stopped, stopping_on_signals
    from maskloom.platform.bootstrap import open_platform
    from maskloom.platform.objects.sources import open_source
    from maskloom.services.cli.bars import counting
    from maskloom.services.cli.output import people, print_json
    from maskloom.services.words import count

    if "://" not in images and out.resolve().is_relative_to(Path(images).resolve()):
        raise SettingsError(
            f"{out} lies within the images, so that its masks would be taken for images the next time",
            hint="Give --out a folder of its own.",
        )
    console = people(as_json=as_json)
    source = open_source(images)
    stop = Stop()
    with open_platform() as platform:
        one = run_of(platform, run)
        model = results.newest_network(platform, one)
        from maskloom.pipelines.predict import predict as draw  # loads torch

        try:
            with stopping_on_signals(stop), counting(console, "predicting") as on_progress:
                predictions = draw(platform, one, model, source, out, on_progress=on_progress, stop=stop)
        except Stopped:
            raise Stopped("the prediction was interrupted", hint="Run the same command again.") from None
    if as_json:
        print_json({"run": one.id, "checkpoint": model.digest, "out": out, "predictions": predictions})
        return
    bad = [prediction for prediction in predictions if prediction.problem is not None]
    console.print(
        f"{count(len(predictions) - len(bad), 'mask')} in {out / 'masks'}, soft ones in {out / 'soft'}"
    )
    console.print(f"a line for each image in {out / 'predictions.csv'}")
    if bad:
        console.print(f"\n{count(len(bad), 'image')} set aside:", style="yellow")
        for prediction in bad[:20]:
            console.print(f"  {prediction.image}: {prediction.problem}")
        if len(bad) > 20:
            console.print(f"  and {len(bad) - 20:,} more, in predictions.csv")


def export(
    run: RunId,
    *,
    out: Annotated[Path, written_to("Folder to write to.")],
    form: Annotated[
        Literal["png", "coco"], typer.Option("--format", help="PNG masks, or COCO with RLE.")
    ] = "png",
    as_json: AsJson = False,
) -> None:
    """Write the masks of a run, and where each comes from."""
    from maskloom.services.cli.output import people, print_json
    from maskloom.services.words import count

    console = people(as_json=as_json)
    url = server()
    if url is None:
        summary = _export_here(run, out, form, console)
    else:
        from maskloom.services.api.transfer_views import ExportFormat
        from maskloom.services.cli.there import There
        from maskloom.services.cli.transferring import export_there

        with connected(url) as client:
            summary = export_there(client, There(client).find(run), out, ExportFormat(form), console)
    if as_json:
        print_json(summary)
        return
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in summary.by_kind.items())
    console.print(
        f"{count(summary.slices, 'slice')} in {summary.folder} ({kinds}; {summary.empty:,} without lesion)"
    )
    if summary.network is None:
        console.print(
            "The run has not finished: its network is not there, and masks may be missing.", style="yellow"
        )


def _export_here(run: str, out: Path, form: str, console: Console) -> ExportSummary:
    from maskloom.pipelines import drive
    from maskloom.pipelines.export import FORMATS
    from maskloom.platform.bootstrap import open_platform
    from maskloom.services.cli.bars import counting

    with open_platform() as platform:
        one = drive.find(platform, run)
        with counting(console, "exporting") as on_progress:
            return FORMATS[form](platform, one, out, on_progress)


def report(
    run: RunId, out: Annotated[Path, written_to("The HTML file to write.")] = Path("report.html")
) -> None:
    """Write the report of a run: one HTML file."""
    from maskloom.pipelines import drive
    from maskloom.pipelines.report import write_report
    from maskloom.platform.bootstrap import open_platform
    from maskloom.services.cli.output import people

    with open_platform() as platform:
        one = drive.find(platform, run)
        write_report(platform, one, out)
    people().print(f"the report of run {one.id} is in {out.absolute().as_uri()}")
