"""The outcome of the fault campaign of reviews as a page of docs/benchmarks."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import psutil

from bench.machine import processor
from faults.review_campaign import Fed

_PAGE = """# Faults in a review

What `make test-review-faults` does: a reader answers slices in a real Label Studio through its HTTP interface, as its editor
does, while webhooks are lost, late, refused, doubled and out of order, and while Label Studio and maskloom's bridge are each
killed (`kill -9`) twice in the middle of it. Of ten slices one is rejected, three are drawn anew and six accepted; some
answers are changed afterwards. Then every answer in the catalog is compared with what the reader did. Last, annotations that
no editor makes go to Label Studio, which checks nothing, with good ones among them.

{day}: {processor}, {cores} cores, Python {python}. Load average at the end: {load:.1f}.

**{made} answers were made, {edits} of them changes of earlier ones, and {taken} taken in: {verdict}.**
Label Studio was started again {restarts} times.

## What a reader waits for Submit

| meanwhile | answers | median | 99 of 100 below | median over that without webhooks |
| --- | --- | --- | --- | --- |
{submits}

The first two lines are measured in turn, five answers each. Where Label Studio is killed, a Submit includes its start.
maskloom itself answered {webhooks} webhooks, while it took answers in: median {median:.1f} ms, 99 of 100 below {last:.1f} ms
(wanted: 50 ms).

## {sent} annotations of garbage

| kind | sent | refused by Label Studio | met its fate | its fate |
| --- | --- | --- | --- | --- |
{garbage}

Nothing of it became a mask. {good} good annotations among them were taken in.

## What the bridge answers to strangers

| request | answer |
| --- | --- |
{knocks}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a campaign. `seconds` of each Submit by what went on; `milliseconds` of the bridge for each webhook."""

    made: int
    edits: int
    taken: int
    good: int
    problems: Sequence[str]
    restarts: int
    seconds: Mapping[str, Sequence[float]]
    milliseconds: Sequence[float]
    fed: Sequence[Fed]
    statuses: Mapping[str, int | str]


def page(outcome: Outcome) -> str:
    """The page as Markdown."""
    bare = float(np.median(outcome.seconds["webhooks switched off"]))
    return _PAGE.format(
        day=f"{datetime.now(UTC):%Y-%m-%d}",
        processor=processor(),
        cores=psutil.cpu_count(),
        python=platform.python_version(),
        load=psutil.getloadavg()[1],
        made=outcome.made,
        edits=outcome.edits,
        taken=outcome.taken,
        verdict="; ".join(outcome.problems) or "each once, in order, and as it was made",
        restarts=outcome.restarts,
        submits="\n".join(
            f"| {name} | {len(those)} | {1000 * np.median(those):.0f} ms | {1000 * np.percentile(those, 99):.0f} ms "
            f"| {np.median(those) / bare:.2f} |"
            for name, those in outcome.seconds.items()
        ),
        webhooks=len(outcome.milliseconds),
        median=np.median(outcome.milliseconds),
        last=np.percentile(outcome.milliseconds, 99),
        sent=sum(each.sent for each in outcome.fed),
        garbage="\n".join(
            f"| {each.kind} | {each.sent} | {each.refused} | {each.met} | {each.fate} |"
            for each in outcome.fed
        ),
        good=outcome.good,
        knocks="\n".join(f"| {name} | {status} |" for name, status in outcome.statuses.items()),
    )
