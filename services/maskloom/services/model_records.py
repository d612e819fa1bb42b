"""What is told of a model, as one JSON object: by the API and by `maskloom models --json`."""

from __future__ import annotations

from typing import Any

from maskloom.pipelines.registry.comparing import Contender


def model_record(one: Contender) -> dict[str, Any]:
    """A model, how it did on the test split, and how that compares with the champion."""
    return {
        "name": one.model.name,
        "dataset": one.model.dataset,
        "stage": one.model.stage,
        "run": one.model.run,
        "checkpoint": one.model.checkpoint,
        "registered_by": one.model.who,
        "registered_at": one.model.at,
        "slices": one.measurement.slices if one.measurement else None,
        "measures": one.measurement.estimates if one.measurement else {},
        "champion": one.champion.name if one.champion else None,
        "differences": one.comparison.differences if one.comparison else None,
        "obstacle": one.obstacle.message if one.obstacle else None,
        "hint": one.obstacle.hint if one.obstacle else "",
    }
