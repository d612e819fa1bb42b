"""What the facts say of a run, as one JSON object: behind `show`, `runs` and the end of `run`."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection

from maskloom.pipelines import recipes
from maskloom.pipelines.course import rounds_of
from maskloom.pipelines.steps.train import Train
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import leases, runs, steps
from maskloom.platform.facts import Evaluation, Split
from maskloom.platform.run_facts import Run
from maskloom.services.api.views import RunRecord

_NAMED_CHANGES = 3


def run_record(platform: Platform, run: Run) -> RunRecord:
    """Everything that `maskloom show RUN --json` says."""
    return platform.database.transaction(lambda connection: _record(connection, run))


def recipe_name(recipe: str) -> str:
    """The name of a recipe that was kept as JSON, and what was changed in it, or how many values where they are many."""
    return recipe_in_words(*_closest(recipe))


def recipe_in_words(name: str, changes: dict[str, Any]) -> str:
    """`recipe_name` of a recipe that is known by its name and what was changed in it."""
    if len(changes) > _NAMED_CHANGES:
        return f"{name} with {len(changes)} values changed"
    changed = ", ".join(f"{key}={value}" for key, value in changes.items())
    return f"{name} with {changed}" if changed else name


@lru_cache(maxsize=1024)
def _closest(recipe: str) -> tuple[str, dict[str, Any]]:
    # Lists have the same few recipes over and over, and each takes a millisecond.
    return recipes.closest(recipes.stored(recipe))


def _record(connection: Connection, run: Run) -> RunRecord:
    name, changes = _closest(json.dumps(run.recipe))
    trained = steps.newest_output(connection, run.id, Train.kind)
    taken, seconds = steps.totals(connection, run.id)
    final = runs.final_checkpoint(connection, run.id)
    held = leases.current(connection, runs.lease_name(run.id))
    claimed = leases.current(connection, runs.claim_name(run.id))
    evaluations = steps.evaluations_of(connection, run.id)
    return {
        "run": run.id,
        "status": runs.status(connection, run.id),
        "recipe": name,
        "changed": changes,
        "dataset": run.dataset,
        "seed": run.seed,
        "created_at": run.created_at,
        "labelled": run.labelled.size,
        "pool": run.pool.size,
        "rounds": rounds_of(recipes.RECIPE.validate_python(run.recipe), run.pool.size),
        "rounds_done": runs.rounds_done(connection, run.id),
        "final_checkpoint": final,
        "newest_checkpoint": trained["digest"] if trained else None,
        "counts": {**runs.counts(connection, run.id), "steps": taken},
        "seconds": seconds,
        "measures": _measures(evaluations, run, final),
        "evaluations": [
            {
                "dataset": one.dataset,
                "split": one.split,
                "checkpoint": one.checkpoint,
                "slices": one.measures["count"],
                "measures": one.measures["estimates"],
            }
            for one in evaluations
        ],
        "driver": {"host": held[0].host, "pid": held[0].pid, "doing": held[1]} if held else None,
        "still_s": claimed[1].get("still_s") if claimed else None,
        "errors": steps.errors_of(connection, run.id),
    }


def _measures(evaluations: list[Evaluation], run: Run, final: str | None) -> dict[str, Any]:
    """The final network on the test split of the run's own data set; empty where that was not measured."""
    own = [
        one.measures["estimates"]
        for one in evaluations
        if (one.dataset, one.split, one.checkpoint) == (run.dataset, Split.TEST, final)
    ]
    return own[-1] if own else {}
