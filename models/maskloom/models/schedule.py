"""How long a stage of training is, and its learning rate at each of its steps: pure functions of the parameters."""

from __future__ import annotations

import math

from maskloom.models.errors import ModelError
from maskloom.models.parameters import TrainingParameters

_WARM_UP = 0.05
_COSINE_END = 0.01
_DECAY = 0.1
_PUBLISHED_DECAY_AFTER = 50


def steps_per_epoch(parameters: TrainingParameters, samples: int) -> int:
    """Batches that a pass over the training set takes; the last one is filled up from the next pass."""
    return math.ceil(samples / parameters.batch_size)


def total_steps(parameters: TrainingParameters, samples: int) -> int:
    """Batches of the stage. Raises ModelError unless exactly one of `epochs` and `steps` is given."""
    if (parameters.epochs is None) == (parameters.steps is None):
        raise ModelError("A stage of training needs either epochs or steps, and not both.")
    if parameters.epochs is None:
        assert parameters.steps is not None
        return parameters.steps
    epochs = parameters.epochs - 1 if parameters.epochs_one_short else parameters.epochs
    return epochs * steps_per_epoch(parameters, samples)


def learning_rate(parameters: TrainingParameters, step: int, samples: int) -> float:
    """The rate of step 0, 1, ... of the stage, for all its scales."""
    total = total_steps(parameters, samples)
    if parameters.schedule == "step":
        factor = 1.0 if step < total / 2 else _DECAY
    elif parameters.schedule == "cosine":
        warm_up = max(1, round(_WARM_UP * total))
        along = (step + 1 - warm_up) / max(1, total - warm_up)
        cosine = _COSINE_END + (1 - _COSINE_END) * (1 + math.cos(math.pi * along)) / 2
        factor = (step + 1) / warm_up if step < warm_up else cosine
    elif parameters.schedule == "published":
        epoch = 1 + step // steps_per_epoch(parameters, samples)
        factor = _DECAY ** max(0, epoch - _PUBLISHED_DECAY_AFTER)
    else:
        factor = 1.0
    return parameters.learning_rate * factor
