"""What the driver and its actors say to each other. Digests and figures only: pixels never pass through the driver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from maskloom.models.parameters import NetworkParameters, PredictionParameters, TrainingParameters


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainJob:
    """One stage of training on `pairs` (slice digest, mask digest), each as often in an epoch as `repeats` says.

    `start`: digest of the checkpoint to start from; None starts from the backbone's weights. Pairs are plain tuples because
    a round sends all of them to its trainers, and a record takes ten times as long to send.
    """

    key: str
    """Of the step that this is for: no stage ever takes another one's status or saved state for its own."""
    network: NetworkParameters
    training: TrainingParameters
    pairs: tuple[tuple[str, str], ...]
    repeats: tuple[int, ...]
    seed: int
    start: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainStatus:
    """How far a trainer is. `saved`: digest of the newest state that a new gang can go on from."""

    step: int
    total: int
    loss: float
    dice: float
    images_per_s: float
    saved: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """A finished stage, or (`digest` None) one that was asked to stop and saved its state as `saved`.

    `curve` holds (step, loss, Dice on the training batches) at up to 100 places; `compute_s` is time in forward and
    backward passes, so that the rest of a round can be told apart.
    """

    digest: str | None
    saved: str | None = None
    size_bytes: int = 0
    steps: int = 0
    curve: tuple[tuple[int, float, float], ...] = ()
    images_per_s: float = 0.0
    compute_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelJob:
    """Slices to label with the network of a checkpoint."""

    network: NetworkParameters
    prediction: PredictionParameters
    checkpoint: str
    slices: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceLabel:
    """A soft mask that was stored for a slice, its scores (`facts.LabelVersion`), and its share of the network's time."""

    slice: str
    mask: str
    size_bytes: int
    scores: dict[str, float]
    compute_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateJob:
    """Slices with expert masks to measure a network on: (slice digest, mask digest) pairs."""

    network: NetworkParameters
    prediction: PredictionParameters
    checkpoint: str
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceEvaluation:
    """A slice's soft mask as it was predicted and stored, and how well it agrees (`models.metrics.SliceMeasures`)."""

    slice: str
    prediction: str
    size_bytes: int
    measures: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """What an actor needs to know of its place. None of it is part of a step's identity."""

    objects_url: str
    threads: int | None
    """Threads to compute with; None takes every core of the actor's own machine."""
    rank: int = 0
    world: int = 1
    save_every_s: float = 45.0
