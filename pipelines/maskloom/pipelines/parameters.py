"""The parameters of the method beside training: how groups are drawn, gated and reviewed. Recipes put them together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from maskloom.platform.errors import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerParameters:
    """How the pool is cut into groups; one group is labelled and learnt from in each round."""

    kind: Literal["random", "volume"] = "random"
    group_size: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class GateParameters:
    """Which pseudo labels may be trained on."""

    kind: Literal["none", "confidence", "area"] = "none"
    uncertainty: float = 0.4
    """`confidence`: keep labels with at most this uncertainty (0 sure .. 1 unsure)."""
    quantile: float = 0.05
    """`area`: keep a lesion whose share of the slice lies between this quantile of the expert masks' shares and its mirror
    (0.05: between the 5 % and the 95 % quantile). Empty masks always pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewParameters:
    """Which pseudo labels readers look at, and what is made of their answers. Amounts are of one round."""

    mode: Literal["none", "optional", "required"] = "none"
    """`optional` rounds go on without waiting, and what is corrected later enters a later round; `required` ones wait."""
    fraction: float = 1.0
    """The share of a round's masks that readers see, ..."""
    order: Literal["uncertainty", "gate", "random"] = "uncertainty"
    """... the least certain first, those that the gate refused first, or any."""
    budget: int | str | None = None
    """At most so many masks (`40`), or so many minutes of the readers' time together (`30min`)."""
    deadline_h: float | None = None
    """The review closes so many hours after it was opened, whatever is left."""
    readers: tuple[str, ...] = ("reader",)
    assignment: Literal["round-robin", "load", "volume"] = "round-robin"
    """Who gets the next slice: each in turn, who has least left to read, or whoever reads the rest of its volume."""
    readings: int = 1
    """How many readers look at each slice, without seeing each other's masks."""
    agreement: float = 0.8
    """Readers agree on a slice when the Dice of each two of them reaches this."""
    adjudicator: str | None = None
    """Who decides where readers disagree; without one the consensus does."""
    consensus: Literal["majority", "staple"] = "staple"
    """How the masks of readers who agree are made one."""
    gold: int = 0
    """Slices with an expert mask that each reader gets among the others, unmarked, to see how well they read."""

    @property
    def most_masks(self) -> int | None:
        """The budget in masks; None where it is not given so."""
        return self.budget if isinstance(self.budget, int) else None

    @property
    def most_minutes(self) -> float | None:
        """The budget in minutes of reading; None where it is not given so."""
        return float(self.budget.removesuffix("min")) if isinstance(self.budget, str) else None


_MINUTES = re.compile(r"\d{1,6}(\.\d+)?min")
_READER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def check_review(review: ReviewParameters) -> None:
    """Raise SettingsError when values of a review are out of range or do not go together."""
    budget = review.budget
    if (isinstance(budget, str) and not _MINUTES.fullmatch(budget)) or (
        isinstance(budget, int) and budget < 1
    ):
        raise SettingsError(
            f"review.budget is {budget!r}",
            hint="Write a number of masks such as 40, or of minutes such as 30min.",
            key="review.budget",
        )
    for reader in (*review.readers, *([review.adjudicator] if review.adjudicator else [])):
        if not _READER.fullmatch(reader):
            raise SettingsError(
                f"{reader!r} cannot be a reader's name",
                hint="Use up to 64 letters, digits, dots, dashes and underlines, such as anna or reader-2.",
                key="review.readers" if reader in review.readers else "review.adjudicator",
            )
    if not review.readers or len(set(review.readers)) != len(review.readers):
        raise SettingsError(
            f"review.readers is {list(review.readers)}",
            hint='Name each reader once: review.readers=["anna","ben"].',
            key="review.readers",
        )
    if review.adjudicator in review.readers:
        raise SettingsError(
            f"{review.adjudicator} is both a reader and the adjudicator",
            hint="Somebody else has to decide where readers disagree.",
            key="review.adjudicator",
        )
    if review.readings > len(review.readers):
        raise SettingsError(
            f"review.readings is {review.readings}, and there are {len(review.readers)} readers",
            hint='Name more of them: review.readers=["anna","ben"].',
            key="review.readings",
        )
