"""The plot of a matrix: the Dice of every run, group by group, and how it rose over the rounds."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from maskloom.pipelines.matrix.axes import in_words
from maskloom.pipelines.matrix.summary import Group, Summary
from maskloom.pipelines.out_folder import write_file
from maskloom.pipelines.report.drawing import style
from maskloom.platform.errors import OutputUnwritable

Curve = Sequence[tuple[int, float]]
"""(round, Dice on its last training batches)."""

FORMATS = ("png", "svg")
_MARK = "maskloom run --matrix"
"""By this a plot that may be replaced is known; it stands within the first bytes of the file."""
_HEAD = 4096
_INK, _SOFT, _LINE, _PAPER = "#1a1f24", "#5a6570", "#d9dee3", "#ffffff"
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9", "#7a4fbf", "#333333")
"""Okabe and Ito's, made darker where they are faint on white; told apart by who sees few colours."""
_WIDTH, _LINE_HEIGHT = 8.4, 0.17
_MOST_PIXELS = 20_000
"""So high a picture may be: a thousand groups have to fit into memory."""
_NAME_WIDTH = 36
"""A longer name of a group has a line for each axis."""
_FEW = 16
"""Of more curves the single ones cannot be told apart."""


def check_place(out: Path) -> None:
    """Raise OutputUnwritable where a plot at `out` would take the place of something else, or has no form that is known."""
    if out.suffix.lower().lstrip(".") not in FORMATS:
        raise OutputUnwritable(f"{out} is no name for a plot", hint="Give it the ending .png or .svg.")
    if out.is_dir() or (out.is_file() and _MARK.encode() not in out.read_bytes()[:_HEAD]):
        raise OutputUnwritable(
            f"{out} is there already, and no plot of a matrix", hint="Move it away, or give another name."
        )


def draw(summary: Summary, curves: Mapping[int, Sequence[Curve]], out: Path, dataset: str) -> None:
    """Write the plot to `out`. `curves`: of each group, by its place, those of its runs."""
    check_place(out)
    shown = [place for place, group in enumerate(summary.groups) if group.dice]
    colours = {place: _COLOURS[at % len(_COLOURS)] for at, place in enumerate(shown)}
    rising = {
        place: found for place in shown if (found := [one for one in curves.get(place, ()) if len(one) > 1])
    }
    lines = sum(max(2, 1 + _name(summary.groups[place]).count("\n")) for place in shown)
    heights = [1.0 + _LINE_HEIGHT * lines, 2.6] if rising else [1.0 + _LINE_HEIGHT * lines]
    form = out.suffix.lower().lstrip(".")
    with mpl.rc_context(style(_INK, _SOFT, _LINE) | {"figure.facecolor": _PAPER, "svg.hashsalt": _MARK}):
        figure = Figure(figsize=(_WIDTH, sum(heights)), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1))
        panels = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
        _points(panels[0], summary, shown, colours, dataset)
        if rising:
            _rounds(panels[1], rising, colours)
        buffer = io.BytesIO()
        figure.savefig(
            buffer, format=form, dpi=min(160.0, _MOST_PIXELS / sum(heights)), metadata=_metadata(form)
        )
    write_file(out, buffer.getvalue())


def _metadata(form: str) -> dict[str, Any]:
    return {"Software": _MARK} if form == "png" else {"Creator": _MARK, "Date": None}


def _points(
    axes: Axes, summary: Summary, shown: Sequence[int], colours: Mapping[int, str], dataset: str
) -> None:
    """A row for each group: its runs as points, their mean as a bar, joined by seed where that can be seen."""
    groups = [summary.groups[place] for place in shown]
    for seed in sorted({seed for group in groups for seed in group.dice}):
        row = [(group.dice[seed], at) for at, group in enumerate(groups) if seed in group.dice]
        axes.plot(*zip(*row, strict=True), color=_LINE, linewidth=0.8, zorder=1)
    for at, (place, group) in enumerate(zip(shown, groups, strict=True)):
        values = [*group.dice.values()]
        axes.scatter(
            values, [at] * len(values), s=22, color=colours[place], alpha=0.75, linewidths=0, zorder=3
        )
        mean = group.measures["dice"].mean
        axes.vlines(mean, at - 0.32, at + 0.32, color=colours[place], linewidth=2.4, zorder=4)
        axes.annotate(
            _figure_of(group, best=place == summary.best),
            (1.01, at),
            xycoords=("axes fraction", "data"),
            va="center",
            color=_INK,
            fontweight="bold" if place == summary.best else "normal",
        )
    axes.set_yticks(range(len(groups)), [_name(group) for group in groups])
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.grid(visible=True, axis="x")
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.06)
    axes.set_title(f"Dice on the test slices of {dataset}: a point a seed, the bar is their mean")
    axes.set_xlabel("Dice at 0.5")


def _figure_of(group: Group, *, best: bool) -> str:
    spread = group.measures["dice"]
    deviation = "" if spread.sd is None else f" ± {spread.sd:.3f}"
    return f"{spread.mean:.3f}{deviation}{'  best' if best else ''}"


def _name(group: Group) -> str:
    name = in_words(group.values) or "all runs"
    return name if len(name) <= _NAME_WIDTH else name.replace(", ", ",\n")


def _rounds(axes: Axes, rising: Mapping[int, Sequence[Curve]], colours: Mapping[int, str]) -> None:
    """The mean of each group thick, and each run thin where that can be seen."""
    runs_shown = sum(map(len, rising.values())) <= _FEW
    for place, curves in rising.items():
        for curve in curves if runs_shown else ():
            axes.plot(*zip(*curve, strict=True), color=colours[place], linewidth=0.7, alpha=0.35)
        by_round: dict[int, list[float]] = {}
        for curve in curves:
            for number, dice in curve:
                by_round.setdefault(number, []).append(dice)
        numbers = sorted(by_round)
        axes.plot(
            numbers,
            [float(np.mean(by_round[number])) for number in numbers],
            color=colours[place],
            linewidth=2,
        )
    axes.set_title("Dice on the last training batches of each round (colours as above)")
    axes.set_xlabel("round")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.margins(x=0.02)
