"""Models, as records: the routes and the client share them, so nothing heavy is imported here."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from maskloom.platform.model_facts import Grounds, Stage

_MOST_REASON = 2000


class NewModel(BaseModel):
    """Which run's final network is to have which name."""

    run: str = Field(examples=["3f9c2a71b0de"])
    name: str = Field(examples=["lung-2026-07"])


class Deciding(BaseModel):
    """Why. To promote a network that has not been shown to be better, it takes a reason."""

    reason: str | None = Field(None, max_length=_MOST_REASON, examples=["The new scanner: see protocol 12."])


class FigureView(BaseModel):
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


class DifferenceView(FigureView):
    """By how much the network exceeds the champion. `p`: two-sided, by the paired bootstrap."""

    p: float


class ModelView(BaseModel):
    """A model, and how it did on the test split beside the champion."""

    name: str
    dataset: str
    stage: Stage
    run: str
    checkpoint: str = Field(description="The network's sha256.")
    registered_by: str
    registered_at: datetime
    slices: int | None = Field(
        description="How many test slices it was measured on; null where it never was."
    )
    measures: dict[str, FigureView]
    champion: str | None = Field(description="With whose measures its own are compared.")
    differences: dict[str, DifferenceView] | None = Field(
        description="To the champion, on the same slices; null where the two cannot be compared."
    )
    obstacle: str | None = Field(description="Why it takes a reason to promote it; null where it takes none.")
    hint: str = Field(description="What to do about that.")


class PromotionView(BaseModel):
    """When a model became the champion, and what that rests on."""

    number: int
    model: str
    before: str | None = Field(description="The champion that it took the place of.")
    grounds: Grounds
    reason: str | None
    evaluation: str | None = Field(description="The step that measured it.")
    evaluation_before: str | None = Field(description="The step that measured the champion before it.")
    slices: int | None = Field(description="How many test slices both were measured on.")
    differences: dict[str, DifferenceView] | None
    who: str
    at: datetime
