"""Open a review: choose masks of a round, and say who is to read them in which order."""

from __future__ import annotations

import math
import random
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from maskloom.pipelines.flow import Outcome, Step
from maskloom.pipelines.parameters import ReviewParameters
from maskloom.pipelines.review.assignment import ASSIGNMENTS
from maskloom.pipelines.steps.gate import Gated
from maskloom.pipelines.steps.label import PseudoLabel, PseudoLabels
from maskloom.pipelines.work import Work
from maskloom.platform.catalog import reviews, slices
from maskloom.platform.facts import Assignment, Purpose, Review, Split


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A review that readers can begin with; `digest` is its id. `slices` of the round are read, beside the gold ones."""

    digest: str
    slices: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenReview(Step[Opened]):
    """Hand out `labels`, of which `gated` says what a gate made of them, together with `gold` ones."""

    kind: ClassVar[str] = "open_review"
    output_type: ClassVar[Any] = Opened

    labels: PseudoLabels
    gated: Gated
    gold: PseudoLabels
    review: ReviewParameters
    seed: int

    def run(self, work: Work) -> Outcome[Opened]:
        generator = random.Random(self.seed)
        chosen = self._chosen(generator)
        known, load = work.platform.database.transaction(
            lambda c: (
                slices.by_digest(c, work.run.dataset, [label.slice for label in chosen]),
                reviews.unread(c, work.run.id),
            )
        )
        volumes = [known[label.slice].volume for label in chosen]
        readers = ASSIGNMENTS[self.review.assignment](volumes, self.review, load)
        assignments = [
            _assignment(label, reader, Purpose.READING, place)
            for place, (label, those) in enumerate(zip(chosen, readers, strict=True))
            for reader in those
        ]
        review = Review(
            id=self.key,
            run=work.run.id,
            dataset=work.run.dataset,
            round=work.round,
            parameters=asdict(self.review),
            assignments=(*assignments, *self._gold_among(len(chosen), generator)),
        )
        return Outcome(output=Opened(digest=self.key, slices=len(chosen)), facts=(review,))

    def _chosen(self, generator: random.Random) -> list[PseudoLabel]:
        """The labels to read, the first to be read first."""
        refused = set(self.gated.refused)
        turn = {label.slice: generator.random() for label in self.labels.labels}
        keys = {
            "uncertainty": lambda label: (-label.scores["uncertainty"], label.slice),
            "gate": lambda label: (label.slice not in refused, -label.scores["uncertainty"], label.slice),
            "random": lambda label: (turn[label.slice], label.slice),
        }
        ordered = sorted(self.labels.labels, key=keys[self.review.order])
        most = math.ceil(self.review.fraction * len(ordered))
        return ordered[: most if self.review.most_masks is None else min(most, self.review.most_masks)]

    def _gold_among(self, places: int, generator: random.Random) -> list[Assignment]:
        """The gold labels for every reader, at places among the others that tell nothing."""
        return [
            _assignment(label, reader, Purpose.GOLD, generator.randrange(max(places, 1)))
            for label in self.gold.labels
            for reader in self.review.readers
        ]


def _assignment(label: PseudoLabel, reader: str, purpose: Purpose, place: int) -> Assignment:
    return Assignment(
        slice=label.slice,
        split=Split.LABELLED if purpose is Purpose.GOLD else Split.UNLABELLED,
        label=label.label,
        reader=reader,
        purpose=purpose,
        place=place,
    )
