"""Open a review: choose masks of a round, and say who is to read them in which order."""

from __future__ import annotations

import math
import random
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from sqlalchemy import Connection

from maskloom.pipelines.flow import Outcome, Step
from maskloom.pipelines.parameters import ReviewParameters
from maskloom.pipelines.review.assignment import ASSIGNMENTS
from maskloom.pipelines.steps.gate import Gated
from maskloom.pipelines.steps.label import PseudoLabels
from maskloom.pipelines.work import Work
from maskloom.platform.catalog import reviews, slices, step_labels
from maskloom.platform.facts import Assignment, LabelVersion, Purpose, Review, Slice, Split
from maskloom.platform.run_facts import Run


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
    gold: PseudoLabels | None
    review: ReviewParameters
    seed: int

    def run(self, work: Work) -> Outcome[Opened]:
        generator = random.Random(self.seed)
        chosen, gold, known, load = work.platform.database.transaction(
            lambda c: self._read(c, work.run, generator)
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
            assignments=(*assignments, *self._among(gold, len(chosen), generator)),
        )
        return Outcome(output=Opened(digest=self.key, slices=len(chosen)), facts=(review,))

    def _read(
        self, connection: Connection, run: Run, generator: random.Random
    ) -> tuple[list[LabelVersion], list[LabelVersion], dict[str, Slice], dict[str, int]]:
        """The labels to read, the gold ones, the slices of the former, and what each reader has left to do."""
        made = step_labels.of_step(connection, self.labels.digest)
        chosen = self._chosen(made, step_labels.refused(connection, [self.gated.digest]), generator)
        gold = step_labels.of_step(connection, self.gold.digest) if self.gold else []
        known = slices.by_digest(connection, run.dataset, [label.slice for label in chosen])
        return chosen, gold, known, reviews.unread(connection, run.id)

    def _chosen(
        self, labels: list[LabelVersion], refused: set[str], generator: random.Random
    ) -> list[LabelVersion]:
        """The labels to read, the first to be read first."""
        turn = {label.slice: generator.random() for label in labels}
        keys = {
            "uncertainty": lambda label: (-label.scores["uncertainty"], label.slice),
            "gate": lambda label: (label.slice not in refused, -label.scores["uncertainty"], label.slice),
            "random": lambda label: (turn[label.slice], label.slice),
        }
        ordered = sorted(labels, key=keys[self.review.order])
        most = math.ceil(self.review.fraction * len(ordered))
        return ordered[: most if self.review.most_masks is None else min(most, self.review.most_masks)]

    def _among(self, gold: list[LabelVersion], places: int, generator: random.Random) -> list[Assignment]:
        """The gold labels for every reader, at places among the others that tell nothing."""
        return [
            _assignment(label, reader, Purpose.GOLD, generator.randrange(max(places, 1)))
            for label in gold
            for reader in self.review.readers
        ]


def _assignment(label: LabelVersion, reader: str, purpose: Purpose, place: int) -> Assignment:
    return Assignment(
        slice=label.slice,
        split=Split.LABELLED if purpose is Purpose.GOLD else Split.UNLABELLED,
        label=label.digest,
        reader=reader,
        purpose=purpose,
        place=place,
    )
