"""How runs go, and how they differ, as records: the routes and the client share them, so nothing heavy is imported here."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from maskloom.platform.facts import Split
from maskloom.services.api.page import Page


class RoundView(BaseModel):
    """A round as far as it has come; what it has not come to is null. `verdicts` are the readers', by kind."""

    number: int = Field(examples=[3])
    labels: int | None = Field(description="Slices that the network labelled.")
    kept: int | None
    refused: int | None
    verdicts: dict[str, int] = Field(examples=[{"corrected": 4, "accepted": 12}])
    slices: int | None = Field(description="Slices that were trained on.")
    loss: float | None
    dice: float | None = Field(description="On the last batches of its training.")
    images_per_s: float | None
    checkpoint: str | None
    seconds: dict[str, float] = Field(examples=[{"label": 41.2, "gate": 0.3, "train": 96.0}])
    at: datetime


class CheckpointView(BaseModel):
    """A network that a run has trained."""

    digest: str
    stage: str = Field(examples=["round 3"])
    round: int | None
    size_bytes: int
    slices: int
    loss: float | None
    dice: float | None
    made_at: datetime
    final: bool


class EvaluationView(BaseModel):
    """A network measured on a split: each measure as value, low and high of its 95 % interval."""

    dataset: str
    split: Split
    checkpoint: str
    slices: int
    measures: dict[str, dict[str, float]]


class CurveView(BaseModel):
    """A training. `points` are (optimiser step of the run, loss, Dice on the training batches)."""

    number: int
    stage: str = Field(examples=["supervised"])
    round: int | None
    start: int
    steps: int
    slices: int
    seconds: float
    images_per_s: float
    points: list[tuple[int, float, float]]


class GatesView(BaseModel):
    """Labels by the score that gates went by. Bar `i` counts those between `edges[i]` and `edges[i + 1]`."""

    score: str = Field(examples=["uncertainty"])
    limit: float | None
    edges: list[float]
    kept: list[int]
    refused: list[int]


class DrawnView(BaseModel):
    """A run's mask of a slice."""

    label: str
    area: float
    uncertainty: float


class DifferenceView(BaseModel):
    """A slice that the two runs have labelled otherwise; `difference` is 1 - Dice of their masks."""

    slice: str
    name: str
    volume: str
    position: int
    a: DrawnView
    b: DrawnView
    difference: float = Field(examples=[0.42])


class DifferencesView(Page[DifferenceView]):
    """The most different slices first. Of `common` slices `differing` have other masks; `compared` were read pixel by pixel."""

    common: int
    differing: int
    compared: int
