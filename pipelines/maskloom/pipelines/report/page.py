"""From facts to the page: words, tables and charts, put together by `report.html.j2`."""

from __future__ import annotations

import platform as python_platform
from collections import defaultdict
from dataclasses import dataclass
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from maskloom.pipelines import recipes
from maskloom.pipelines.measures import MEASURES, in_order, measure_name
from maskloom.pipelines.out_folder import write_file
from maskloom.pipelines.report import figures, gallery
from maskloom.pipelines.report.reading import Assessment, RunFacts, read
from maskloom.pipelines.report.words import STEPS, breakable, count, duration, thousands
from maskloom.platform.bootstrap import Platform
from maskloom.platform.facts import Split
from maskloom.platform.run_facts import Run


def write_report(platform: Platform, run: Run, out: Path) -> None:
    """Write what the catalog says of `run` to the HTML file `out`. Raises OutputUnwritable."""
    facts = read(platform, run)
    environment = Environment(
        loader=PackageLoader("maskloom.pipelines.report", ""),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"thousands": thousands, "duration": duration, "breakable": breakable}
    page = environment.get_template("report.html.j2").render(
        facts=facts,
        summary=_summary(facts),
        tiles=_tiles(facts),
        assessments=[(assessment, _measure_rows(assessment)) for assessment in facts.assessments],
        charts=_charts(facts),
        gallery=gallery.groups(facts, platform.objects),
        data=_data(facts),
        time=_time(facts),
        recipe=_recipe(facts),
        provenance=_provenance(facts),
    )
    write_file(out, page.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A figure to see first."""

    name: str
    value: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureRow:
    """A measure with its interval; `bar` is (low, value, high) in percent of the whole where it is a share."""

    name: str
    meaning: str
    value: float
    low: float
    high: float
    bar: tuple[float, float, float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeTable:
    """Values of several stages side by side: (name, [(value, the named recipe's where it differs)])."""

    columns: list[str]
    rows: list[tuple[str, list[tuple[str, str | None]]]]


def _summary(facts: RunFacts) -> str:
    """The run in a few sentences."""
    labelled = [*facts.pseudo, *facts.checked]
    said = [f"Learning from {count(facts.run.labelled.size, 'expert mask')}, "]
    if labelled:
        empty = sum(mask.area == 0 for mask in facts.pseudo)
        said.append(
            f"the network labelled {count(len(labelled), 'slice')} in {count(len(facts.rounds), 'round')}; "
            + (f"readers checked {thousands(len(facts.checked))} of them, and " if facts.checked else "")
            + f"it found {thousands(empty)} of {'the rest' if facts.checked else 'them'} free of lesions."
        )
    else:
        said.append("the network was trained on them alone.")
    if facts.rounds:
        kept = sum(len(one.kept) for one in facts.rounds)
        judged = kept + sum(len(one.refused) for one in facts.rounds)
        said.append(
            f" The gate let {thousands(kept) if kept else 'none'} of {count(judged, 'label')} into the training set."
        )
    for assessment in facts.assessments[:1]:
        dice = assessment.measured.estimates["dice"]
        said.append(
            f" On {count(assessment.measured.count, 'slice')} of the {assessment.fact.split} split"
            f"{', which it was trained on,' if assessment.seen else ''} it reaches "
            f"a Dice of {dice['value']:.2f} (95 % interval {dice['low']:.2f} to {dice['high']:.2f})."
        )
    return "".join(said)


def _tiles(facts: RunFacts) -> list[Tile]:
    tiles = []
    for assessment in facts.assessments[:1]:
        for name in ("dice", "mean_dice", "lesion_recall"):
            if name in assessment.measured.estimates:
                estimate = assessment.measured.estimates[name]
                interval = f"95 % interval {estimate['low']:.2f} to {estimate['high']:.2f}"
                tiles.append(Tile(name=measure_name(name), value=f"{estimate['value']:.3f}", note=interval))
    drawn = [f"{thousands(len(facts.experts))} by experts", f"{thousands(len(facts.pseudo))} by the network"]
    if facts.checked:
        drawn.append(f"{thousands(len(facts.checked))} checked by readers")
    seconds = sum(step.seconds for step in facts.steps)
    tiles.append(Tile(name="Slices with a mask", value=thousands(len(facts.masks)), note=", ".join(drawn)))
    tiles.append(Tile(name="Work", value=duration(seconds), note=count(len(facts.steps), "step")))
    return tiles


def _measure_rows(assessment: Assessment) -> list[MeasureRow]:
    estimates = assessment.measured.estimates
    rows = []
    for name in in_order(estimates):
        value, low, high = (estimates[name][key] for key in ("value", "low", "high"))
        share = name not in {"hd95", "false_lesions"} and high <= 1
        meaning = MEASURES[name][1] if name in MEASURES else ""
        bar = (100 * low, 100 * value, 100 * high) if share else None
        rows.append(
            MeasureRow(name=measure_name(name), meaning=meaning, value=value, low=low, high=high, bar=bar)
        )
    return rows


def _charts(facts: RunFacts) -> dict[str, Markup]:
    charts = {}
    if facts.stages:
        charts["training"] = figures.training(facts.stages)
    if facts.rounds:
        charts["kept"] = figures.kept(facts.rounds)
        charts["uncertainty_by_round"] = figures.uncertainty_by_round(facts.rounds)
        kept = [label.scores for one in facts.rounds for label in one.kept]
        refused = [label.scores for one in facts.rounds for label in one.refused]
        gate = facts.run.recipe["gate"]
        limit = gate["uncertainty"] if gate["kind"] == "confidence" else None
        charts["uncertainties"] = figures.uncertainties(
            _column(kept, "uncertainty"), _column(refused, "uncertainty"), limit
        )
        drawn = np.array([mask.area for mask in facts.experts if mask.area is not None], float)
        charts["areas"] = figures.areas(_column(kept, "area"), _column(refused, "area"), drawn)
    for assessment in facts.assessments[:1]:
        dice = assessment.measured.estimates["dice"]
        values = [row.figures["dice"] for row in assessment.measured.slices]
        charts["dice"] = figures.dice_by_slice(values, dice["low"], dice["high"])
    return charts


def _column(scores: list[dict[str, float]], name: str) -> figures.Values:
    return np.array([score[name] for score in scores], float)


def _data(facts: RunFacts) -> list[tuple[str, str, str]]:
    meanings = {
        Split.LABELLED: "with an expert's mask, to learn from",
        Split.UNLABELLED: "for the network to label",
        Split.TEST: "with an expert's mask, never learnt from",
    }
    return [
        (split, meaning, f"{count(facts.count(split), 'slice')} of {count(facts.volumes(split), 'volume')}")
        for split, meaning in meanings.items()
        if facts.count(split)
    ]


def _time(facts: RunFacts) -> dict[str, Any]:
    """Where the time went: a chart, sums by kind of step, and every step."""
    ends = list(accumulate(step.seconds for step in facts.steps))
    bars: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for step, end in zip(facts.steps, ends, strict=True):
        bars[STEPS.get(step.kind, step.kind)].append((end - step.seconds, step.seconds))
    total = ends[-1] if ends else 0.0
    rows = sorted(bars.items(), key=lambda row: -sum(seconds for _, seconds in row[1]))
    return {
        "chart": figures.timeline(rows, total) if rows else Markup(""),
        "total": total,
        "kinds": [
            (name, len(spans), sum(s for _, s in spans), float(np.median([s for _, s in spans])))
            for name, spans in rows
        ],
        "starts": sum(kind == "started" for kind, _, _ in facts.events),
        "shared": sum(step.seconds == 0 for step in facts.steps),
    }


def _recipe(facts: RunFacts) -> dict[str, Any]:
    """The recipe's values: training stages side by side, and the others one by one."""
    recipe = recipes.RECIPE.validate_python(facts.run.recipe)
    own, named = recipes.values(recipe), recipes.values(recipes.named(facts.recipe))
    stages = list(recipes.stages(recipe))

    def cell(key: str) -> tuple[str, str | None]:
        return _shown(own[key]), _shown(named[key]) if key in facts.changed else None

    staged = [key.removeprefix(f"{stages[0]}.") for key in own if key.startswith(f"{stages[0]}.")]
    others = [key for key in own if key.split(".")[0] not in stages]
    return {
        "stages": RecipeTable(
            columns=stages, rows=[(name, [cell(f"{stage}.{name}") for stage in stages]) for name in staged]
        ),
        "others": [(key, *cell(key)) for key in others],
    }


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(_shown(one) for one in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _provenance(facts: RunFacts) -> list[tuple[str, str]]:
    run = facts.run
    starts = [detail for kind, detail, _ in facts.events if kind == "started"]
    finished = [at for kind, _, at in facts.events if kind == "finished"]
    rows = [
        ("Run", run.id),
        ("Status", facts.status),
        ("Created", f"{run.created_at:%Y-%m-%d %H:%M:%S} UTC"),
        ("Finished", f"{finished[-1]:%Y-%m-%d %H:%M:%S} UTC" if finished else ""),
        ("Seed", str(run.seed)),
        ("Network, sha256", facts.checkpoint or "none before the run has finished"),
        ("Expert masks, dataset version", run.labelled.digest),
        ("Pool, dataset version", run.pool.digest),
        ("Run by", "; then ".join(dict.fromkeys(_made_with(detail) for detail in starts if detail))),
        ("Report by", f"maskloom {version('maskloom')} on Python {python_platform.python_version()}"),
    ]
    return [(name, value) for name, value in rows if value]


def _made_with(environment: dict[str, str]) -> str:
    return ", ".join(f"{name} {version_}" for name, version_ in environment.items())
