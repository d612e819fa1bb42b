"""What a catalog's size costs those who do not look at all of it, and what each slice costs those who do."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

from sqlalchemy import Connection, text

from bench.multitude import LARGEST
from maskloom.pipelines import drive, recipes
from maskloom.pipelines.steps.sample import SAMPLERS
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import labels, leases, run_lists, runs, slices, tickets
from maskloom.platform.facts import Split
from maskloom.platform.run_facts import Priority, Ticket
from maskloom.services.scheduler.scheduler import Scheduler

QUEUED = 20
_TURNS = 40
_RECIPE = recipes.with_settings(recipes.RECIPES["semi-inf-net"], ["network.weights=random"])

FLAT = (
    "a scheduler's look at what is wanted",
    "its claim of a run",
    "an event of a run",
    "counts of all data sets",
    "a portion of a list of slices",
    "a list of runs",
    "the masks of 60 slices that count",
)
"""What should cost the same however many slices there are."""
PER_SLICE = (
    "snapshot of a data set for a new run",
    "the same again, for a run with another seed",
    "a pool put into groups",
)
"""What has to read every slice of a data set, by the slice."""


def measure(platforms: Mapping[int, Platform]) -> dict[int, dict[str, float]]:
    """Seconds by size of the catalog: for each of FLAT the median of many turns, for each of PER_SLICE one turn, by the slice.

    Sizes take turns, so that what else the machine does slows all of them alike.
    """
    for platform in platforms.values():
        _queue(platform)
    works = {size: _flat(platform) for size, platform in platforms.items()}
    figures: dict[int, dict[str, float]] = {size: {} for size in platforms}
    for number, name in enumerate(FLAT):
        times: dict[int, list[float]] = {size: [] for size in platforms}
        for _ in range(_TURNS):
            for size, platform in platforms.items():
                began = time.perf_counter()
                platform.database.transaction(works[size][number])
                times[size].append(time.perf_counter() - began)
        for size, spent in times.items():
            figures[size][name] = median(spent)
    for size, platform in platforms.items():
        figures[size] |= _per_slice(platform)
    return figures


def _per_slice(platform: Platform) -> dict[str, float]:
    figures = {}
    slices_there = platform.database.transaction(lambda c: sum(slices.counts(c, LARGEST).values()))
    seed = random.randrange(2**40)
    for number, name in enumerate(PER_SLICE[:2]):
        began = time.perf_counter()
        run, _ = drive.create(platform, _RECIPE, LARGEST, seed + number)
        figures[name] = (time.perf_counter() - began) / slices_there
    began = time.perf_counter()
    pool = platform.database.transaction(lambda c: labels.volumes(c, run.pool.digest))
    SAMPLERS["volume"](pool, random.Random(0))
    figures[PER_SLICE[2]] = (time.perf_counter() - began) / len(pool)
    return figures


def _queue(platform: Platform) -> None:
    """Leave some runs to the schedulers, the same number at every size."""
    ticket = Ticket(owner="bench", priority=Priority.NORMAL, workers=1)

    def add(connection: Connection) -> None:
        for run in connection.scalars(
            text("select id from runs order by at limit :queued"), {"queued": QUEUED}
        ).all():
            tickets.add(connection, run, ticket)

    platform.database.transaction(add)


def _flat(platform: Platform) -> list[Callable[[Connection], Any]]:
    names, run, digests = platform.database.transaction(
        lambda c: (
            slices.dataset_names(c),
            c.execute(text("select id from runs order by at desc limit 1")).scalar_one(),
            [one.digest for one in slices.page(c, LARGEST, Split.UNLABELLED, None, 60)],
        )
    )
    return [
        Scheduler(platform, 1)._look,
        lambda c: leases.acquire(c, f"claim/{uuid.uuid4().hex}", leases.this_process()),
        lambda c: runs.add_event(c, run, "resumed"),
        lambda c: slices.counts_of_each(c, names),
        lambda c: slices.page(c, LARGEST, Split.UNLABELLED, ("patient 2", 0, ""), 100),
        lambda c: run_lists.page(c, names, None, 50),
        lambda c: labels.strongest(c, LARGEST, digests),
    ]
