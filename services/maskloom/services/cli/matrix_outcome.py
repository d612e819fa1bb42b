"""Tells what came of a matrix: a table of its groups, a plot, the cells that have not finished, or all of it as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from maskloom.pipelines.matrix.axes import Cell
from maskloom.pipelines.matrix.summary import Group, Result, Spread, Summary, summarise
from maskloom.platform.run_facts import RunStatus
from maskloom.services.api.views import RunRecord
from maskloom.services.cli.output import listing, print_json
from maskloom.services.cli.place import Place
from maskloom.services.words import count


def told(
    place: Place,
    cells: list[Cell],
    names: list[str],
    console: Console,
    *,
    dataset: str,
    out: Path,
    as_json: bool,
) -> bool:
    """Tell what came of the runs of those `names`, one for each cell, and draw it into `out`; whether all have finished."""
    records = [place.record(run) for run in names]
    summary = summarise(
        Result(group=cell.group, seed=cell.seed, measures=_measures(record))
        for cell, record in zip(cells, records, strict=True)
    )
    plot = None
    if summary.leading is not None:
        plot = out.absolute()
        _draw(place, cells, records, summary, plot, dataset)
    if as_json:
        print_json(_as_json(dataset, cells, records, summary, plot))
    else:
        _tell_groups(console, summary)
        if plot is not None:
            console.print(f"\nthe plot is in {plot.as_uri()}")
    unfinished = [
        (cell, record)
        for cell, record in zip(cells, records, strict=True)
        if record["status"] is not RunStatus.FINISHED
    ]
    if unfinished:
        _tell_unfinished(console, unfinished)
    return not unfinished


def _measures(record: RunRecord) -> Mapping[str, float]:
    if record["status"] is not RunStatus.FINISHED:
        return {}
    return {name: estimate["value"] for name, estimate in record["measures"].items()}


def _draw(
    place: Place, cells: list[Cell], records: list[RunRecord], summary: Summary, out: Path, dataset: str
) -> None:
    from maskloom.pipelines.matrix.plot import Curve, draw  # loads matplotlib

    places = {tuple(group.values.items()): number for number, group in enumerate(summary.groups)}
    curves: dict[int, list[Curve]] = {}
    for cell, record in zip(cells, records, strict=True):
        if record["status"] is RunStatus.FINISHED and record["rounds"]:
            curves.setdefault(places[cell.group], []).append(place.dice_by_round(record["run"]))
    draw(summary, curves, out, dataset)


def _tell_groups(console: Console, summary: Summary) -> None:
    axes = list(summary.groups[0].values)
    beside = "behind the leading one"
    columns = ("runs", "Dice", "mean Dice", beside)
    table = listing(*axes, *columns, right=columns[:-1])
    for number, group in enumerate(summary.groups):
        is_best = number == summary.best
        table.add_row(
            *group.values.values(),
            _finished(group),
            _spread(group.measures.get("dice")),
            _spread(group.measures.get("mean_dice")),
            ("best" if is_best else "leading") if number == summary.leading else _behind(group),
            style="bold green" if is_best else None,
        )
    console.print("\non the test slices: mean ± standard deviation over seeds", style="bold")
    console.print(table)
    name = _name(summary)
    console.print(f"{name}: {summary.verdict}" if name else summary.verdict)
    if len(summary.groups) > 1 and summary.leading is not None:
        console.print(
            "(intervals: 95 % for all together, of the difference in Dice between runs of the same seed)",
            style="dim",
        )


def _name(summary: Summary) -> str:
    if summary.best is None:
        return ""
    return ", ".join(f"{axis} {value}" for axis, value in summary.groups[summary.best].values.items())


def _finished(group: Group) -> str:
    return f"{len(group.dice)}" if len(group.dice) == group.cells else f"{len(group.dice)} of {group.cells}"


def _spread(spread: Spread | None) -> str:
    if spread is None:
        return "-"
    return f"{spread.mean:.3f}" if spread.sd is None else f"{spread.mean:.3f} ± {spread.sd:.3f}"


def _behind(group: Group) -> str:
    behind = group.behind
    if behind is None:
        return "-"
    interval = "" if behind.low is None else f" ({behind.low:+.3f} to {behind.high:+.3f})"
    return f"{behind.value:+.3f}{interval}"


def _tell_unfinished(console: Console, unfinished: list[tuple[Cell, RunRecord]]) -> None:
    console.print(f"\n{count(len(unfinished), 'run')} not finished", style="bold red")
    for cell, record in unfinished:
        error = f": {record['errors'][-1]['error']}" if record["errors"] else ""
        console.print(f"  {record['run']}  {cell}: {record['status']}{error}")
    console.print("`maskloom show RUN` tells more. The same command goes on with them.", style="dim")


def _as_json(
    dataset: str, cells: list[Cell], records: list[RunRecord], summary: Summary, plot: Path | None
) -> dict[str, Any]:
    return {
        "dataset": dataset,
        "cells": [
            {
                "values": cell.values,
                "seed": cell.seed,
                "run": record["run"],
                "status": record["status"],
                "rounds": record["rounds"],
                "rounds_done": record["rounds_done"],
                "measures": record["measures"],
                "errors": record["errors"],
            }
            for cell, record in zip(cells, records, strict=True)
        ],
        **asdict(summary),
        "plot": plot,
    }
