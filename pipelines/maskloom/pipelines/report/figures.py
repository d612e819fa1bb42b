"""The charts of a report. Each takes plain figures and gives an inline SVG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from maskloom.pipelines.report.drawing import (
    EXPERT,
    HALF,
    INK,
    LINE,
    NETWORK,
    REFUSED,
    SOFT,
    WIDE,
    drawing,
)
from maskloom.pipelines.report.reading import Round, Stage
from maskloom.pipelines.report.words import count

Values = NDArray[np.floating]

NAMED_STAGES = 12
"""With more trainings than this the rounds share one name on the axis."""
MANY = 60
"""From so many on, bars touch and points have no marks."""


def training(stages: Sequence[Stage]) -> Markup:
    """Loss and Dice on the training batches along all optimiser steps; of many rounds each one's mean."""
    starts = np.cumsum([0, *(stage.trained.steps for stage in stages)])
    lines = list(_lines(stages, starts))
    steps, trainings = count(int(starts[-1]), "optimiser step"), count(len(stages), "training")
    with drawing(
        "training", f"Training loss and Dice over {steps} in {trainings}", width=WIDE, height=3.4
    ) as chart:
        loss_axes, dice_axes = chart.axes(2, sharex=True)
        for axes, column, title in ((loss_axes, 1, "Loss"), (dice_axes, 2, "Dice on the training batches")):
            axes.set_title(title)
            _shade(axes, starts)
            for line in lines:
                axes.plot(line[:, 0], line[:, column], color=NETWORK)
            axes.margins(x=0)
        loss_axes.set_ylim(0, 1.18 * max(line[:, 1].max() for line in lines))
        dice_axes.set_ylim(0, 1)
        dice_axes.set_xlabel("optimiser step")
        _name_stages(loss_axes, stages, starts)
    return chart.svg


def _lines(stages: Sequence[Stage], starts: Values) -> Iterator[Values]:
    """(step, loss, Dice) to draw through, stage by stage or through all rounds at once."""
    curves = [
        np.add(stage.trained.curve, (start, 0, 0)) for stage, start in zip(stages, starts, strict=False)
    ]
    if len(stages) <= NAMED_STAGES:
        yield from curves
        return
    is_round = [stage.name.startswith("round") for stage in stages]
    yield from (curve for curve, hidden in zip(curves, is_round, strict=True) if not hidden)
    yield np.array([curve.mean(axis=0) for curve, shown in zip(curves, is_round, strict=True) if shown])


def _shade(axes: Axes, starts: Values) -> None:
    if len(starts) - 1 <= NAMED_STAGES:
        for start, end in zip(starts[1::2], starts[2::2], strict=False):
            axes.axvspan(start, end, color=LINE, alpha=0.35, linewidth=0)


def _name_stages(axes: Axes, stages: Sequence[Stage], starts: Values) -> None:
    """Names above the axes, where they do not cover each other."""
    spans = [(stage.name, start, end) for stage, start, end in zip(stages, starts, starts[1:], strict=False)]
    rounds = [span for span in spans if span[0].startswith("round")]
    if len(stages) > NAMED_STAGES:
        together = (f"{len(rounds)} rounds, the mean of each", rounds[0][1], rounds[-1][2])
        spans = [span for span in spans if span not in rounds] + [together]
    for name, start, end in spans:
        if (end - start) / starts[-1] > 0.012 * len(name):
            axes.text(
                (start + end) / 2,
                0.97,
                name,
                transform=axes.get_xaxis_transform(),
                ha="center",
                va="top",
                color=SOFT,
            )


def kept(rounds: Sequence[Round]) -> Markup:
    """Labels that the gate kept and refused, round by round."""
    numbers = [one.number for one in rounds]
    passed = np.array([len(one.kept) for one in rounds])
    refused = np.array([len(one.refused) for one in rounds])
    said = f"Of {count(int((passed + refused).sum()), 'label')} the gate kept {passed.sum()}"
    with drawing("kept", said, width=HALF, height=2.4) as chart:
        (axes,) = chart.axes()
        width = _bar_width(rounds)
        axes.bar(numbers, passed, width, color=NETWORK, linewidth=0, label="kept")
        axes.bar(numbers, refused, width, bottom=passed, color=REFUSED, linewidth=0, label="refused")
        _by_round(axes, "Labels kept in each round")
    return chart.svg


def uncertainty_by_round(rounds: Sequence[Round]) -> Markup:
    """Mean uncertainty of each round's labels, and the middle half of them."""
    numbers = [one.number for one in rounds]
    scores = [[label.scores["uncertainty"] for label in one.kept + one.refused] for one in rounds]
    means = np.array([np.mean(values) for values in scores])
    low, high = (np.array([np.quantile(values, q) for values in scores]) for q in (0.25, 0.75))
    said = f"Mean uncertainty of labels goes from {means[0]:.3f} in the first round to {means[-1]:.3f} in the last"
    with drawing("uncertainty-by-round", said, width=HALF, height=2.4) as chart:
        (axes,) = chart.axes()
        middle = "middle half"
        axes.bar(
            numbers, high - low, _bar_width(rounds), low, color=NETWORK, alpha=0.25, linewidth=0, label=middle
        )
        axes.plot(
            numbers,
            means,
            color=NETWORK,
            marker="o" if len(rounds) < MANY else "",
            markersize=4,
            label="mean",
        )
        _by_round(axes, "Uncertainty in each round")
    return chart.svg


def _legend(axes: Axes) -> None:
    """In one line above the axes, where it covers nothing."""
    axes.legend(loc="lower right", bbox_to_anchor=(1.01, 0.99), ncols=3, borderpad=0.2, handlelength=1.2)


def _bar_width(rounds: Sequence[Round]) -> float:
    return 0.6 if len(rounds) < MANY else 1.0


def _by_round(axes: Axes, title: str) -> None:
    axes.set_title(title)
    axes.set_xlabel("round")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    _legend(axes)


def uncertainties(kept_values: Values, refused_values: Values, limit: float | None) -> Markup:
    """How uncertain labels were; `limit` is what the gate allowed."""
    every = np.concatenate([kept_values, refused_values])
    edges = np.linspace(0, max(float(every.max()), limit or 0.0) or 1.0, 37)
    said = f"Uncertainty of {count(len(every), 'label')}: median {np.median(every):.3f}"
    with drawing("uncertainties", said, width=HALF, height=2.4) as chart:
        (axes,) = chart.axes()
        _stacked(axes, kept_values, refused_values, edges)
        if limit is not None and limit <= edges[-1]:
            axes.axvline(limit, color=INK, linewidth=1, linestyle=(0, (3, 2)), label="the gate's limit")
        axes.set_title("Uncertainty")
        axes.set_xlabel("0 sure to 1 unsure")
        _legend(axes)
    return chart.svg


def areas(kept_values: Values, refused_values: Values, expert_values: Values) -> Markup:
    """How large lesions are, on the network's masks and (as a line, scaled alike) on the experts'."""
    kept_values, refused_values, drawn = (
        values[values > 0] for values in (kept_values, refused_values, expert_values)
    )
    every = np.concatenate([kept_values, refused_values])
    edges = np.geomspace(1e-4, 1, 29)
    said = f"Lesion area on {count(len(every), 'label')} with lesions, beside the experts'"
    with drawing("areas", said, width=HALF, height=2.4) as chart:
        (axes,) = chart.axes()
        kept_values, refused_values, drawn = (
            np.clip(v, 1e-4, 1) for v in (kept_values, refused_values, drawn)
        )
        _stacked(axes, kept_values, refused_values, edges)
        if len(drawn) and len(every):
            counts, _ = np.histogram(drawn, edges)
            axes.stairs(counts * len(every) / len(drawn), edges, color=EXPERT, linewidth=1.4, label="experts")
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _position: f"{100 * share:g} %"))
        axes.minorticks_off()
        axes.set_title("Lesion area")
        axes.set_xlabel("share of the slice")
        _legend(axes)
    return chart.svg


def _stacked(axes: Axes, kept_values: Values, refused_values: Values, edges: Values) -> None:
    below, _ = np.histogram(kept_values, edges)
    above, _ = np.histogram(refused_values, edges)
    axes.stairs(below, edges, fill=True, color=NETWORK, linewidth=0, label="kept")
    axes.stairs(below + above, edges, baseline=below, fill=True, color=REFUSED, linewidth=0, label="refused")
    axes.set_ylabel("labels")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5, min_n_ticks=1))


def dice_by_slice(values: Sequence[float], low: float, high: float) -> Markup:
    """Each measured slice's Dice, least first, and the interval of their mean."""
    ordered = np.sort(values)
    said = f"Dice of {count(len(values), 'slice')}: from {ordered[0]:.2f} to {ordered[-1]:.2f}, median {np.median(ordered):.2f}"
    with drawing("dice", said, width=WIDE, height=2.0) as chart:
        (axes,) = chart.axes()
        axes.axhspan(low, high, color=NETWORK, alpha=0.22, linewidth=0, label="95 % interval of the mean")
        axes.plot(
            np.arange(1, len(ordered) + 1),
            ordered,
            linestyle="",
            marker="o",
            markersize=4 if len(ordered) < MANY else 2,
            color=NETWORK,
        )
        axes.set_ylim(-0.02, 1.02)
        axes.set_title("Dice of each slice")
        axes.set_xlabel("slices, least first")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        _legend(axes)
    return chart.svg


def timeline(rows: Sequence[tuple[str, Sequence[tuple[float, float]]]], total_s: float) -> Markup:
    """Which kind of step (name, [(start, seconds), ...]) the run was at, along the time that it worked."""
    unit, scale = ("minutes", 60.0) if total_s > 120 else ("seconds", 1.0)
    said = "Time by kind of step: " + ", ".join(
        f"{name} {sum(seconds for _, seconds in bars):.0f} s" for name, bars in rows
    )
    with drawing("timeline", said, width=WIDE, height=0.75 + 0.26 * len(rows)) as chart:
        (axes,) = chart.axes()
        for place, (_, bars) in enumerate(rows):
            spans = [(start / scale, max(seconds / scale, total_s / scale / 900)) for start, seconds in bars]
            axes.broken_barh(spans, (place - 0.34, 0.68), color=NETWORK, linewidth=0)
        axes.set_yticks(range(len(rows)), [name for name, _ in rows])
        axes.invert_yaxis()
        axes.grid(visible=True, axis="x")
        axes.grid(visible=False, axis="y")
        axes.set_xlim(0, max(total_s, 1e-3) / scale)
        axes.set_xlabel(f"{unit} of work")
    return chart.svg
