"""Reviews and readers, as records: the routes and the client share them, so nothing heavy is imported here."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from maskloom.platform.facts import AnswerKind, Purpose, VerdictKind
from maskloom.platform.review_facts import ItemState


class WorkView(BaseModel):
    """What readers did in a review; for leads."""

    assigned: int = Field(description="What all readers have to read together, gold slices included.")
    answered: int
    gold: int = Field(description="Slices among them that experts have drawn.")
    median_s: float | None = Field(description="How long a mask takes, where the tool tells.")


class ReviewView(BaseModel):
    """A review: the masks of a round that were handed out, and what was decided on how many slices."""

    id: str = Field(examples=["5d1f" * 16])
    run: str = Field(examples=["3f9c2a71b0de"])
    dataset: str
    round: int | None
    opened_at: datetime
    closed: str | None = Field(description="Why it is closed; null while it is open.")
    closed_at: datetime | None
    slices: int
    accepted: int
    corrected: int
    rejected: int
    disputed: int = Field(description="Slices that wait for an adjudicator.")
    undecided: int
    work: WorkView | None = Field(description="Null to who is no lead of the data set.")


class GivenView(BaseModel):
    """What one reader made of a slice; `kind` is null while they have not answered."""

    reader: str
    purpose: Purpose
    kind: AnswerKind | None
    label: str | None
    lead_time_s: float | None


class ItemView(BaseModel):
    """A slice of a review. `label` is shown to readers."""

    slice: str = Field(examples=["9f2c" * 16])
    name: str
    doubt: float = Field(description="How uncertain the network was: 0 sure .. 1 unsure.")
    label: str
    state: ItemState
    answers: list[GivenView] = Field(description="Only your own, where you are no lead.")
    verdict: VerdictKind | None = Field(description="For leads.")
    verdict_label: str | None
    decided_by: str | None


class QueueView(BaseModel):
    """What a reader of a run has been given to read. Gold slices are among it."""

    run: str = Field(examples=["3f9c2a71b0de"])
    dataset: str
    reader: str = Field(examples=["anna"])
    given: int
    accepted: int
    corrected: int
    rejected: int
    left: int = Field(description="Not answered yet, in reviews that are open.")
    to_decide: int = Field(description="Of these, slices on which others disagree.")
    median_s: float | None = Field(description="How long a mask takes, where the tool tells.")
    oldest_at: datetime | None = Field(description="When the first of what is left was handed out.")
    newest_at: datetime | None = Field(description="When they answered last.")
    place: str | None = Field(
        description="Where they read: an address of Label Studio, or a folder.",
        examples=["http://label-studio.example:8080/projects/7"],
    )
