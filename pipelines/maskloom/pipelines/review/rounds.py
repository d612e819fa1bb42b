"""The reviews of one run, as its method sees them: a round's labels go in, and come out as readers left them.

Each round opens a review (`steps/open_review.py`) and then collects every verdict that has come in since the last time, on
this round's slices or on earlier ones (`steps/collect.py`). A collection is a recorded step: whoever replays the run sees the
same verdicts. How answers become verdicts is in `judging.py`, and who carries them here and there in `services/bridge`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from maskloom.pipelines.flow import Flow
from maskloom.pipelines.parameters import ReviewParameters
from maskloom.pipelines.steps.collect import Collect, Collected, Decided
from maskloom.pipelines.steps.draw_gold import DrawGold
from maskloom.pipelines.steps.gate import Gated
from maskloom.pipelines.steps.label import Label, PseudoLabel, PseudoLabels
from maskloom.pipelines.steps.merge import Merge
from maskloom.pipelines.steps.open_review import OpenReview
from maskloom.pipelines.steps.train import Trained
from maskloom.platform.facts import DatasetVersion, LabelKind, Split, VerdictKind
from maskloom.platform.fingerprint import fingerprint

_KINDS = {VerdictKind.ACCEPTED: LabelKind.ACCEPTED, VerdictKind.CORRECTED: LabelKind.CORRECTED}


class Reviews:
    """What readers have made of the labels of a run so far. Without a review everything passes as it is."""

    def __init__(
        self,
        flow: Flow,
        parameters: ReviewParameters,
        labelled: DatasetVersion,
        label: Callable[..., Label],
        seed: int,
    ) -> None:
        self._flow = flow
        self._parameters = parameters
        self._labelled = labelled
        self._label = label
        self._random = random.Random(f"review {seed}")
        self._opened: list[str] = []
        self._collected: Collected | None = None
        self._shown: dict[str, PseudoLabel | None] = {}
        """What a slice is learnt from while there is no verdict on it: its pseudo label, or nothing if a gate refused it."""
        self._checked: dict[str, PseudoLabel] = {}

    def of_round(self, pseudo: PseudoLabels, gated: Gated, model: Trained) -> Gated:
        """`gated` after the round's review, with the verdicts on earlier rounds that have come in since.

        Raises Waiting when the review is required and not closed yet.
        """
        if self._parameters.mode == "none":
            return gated
        opened = self._flow.do(
            OpenReview(
                labels=pseudo, gated=gated, gold=self._gold(model), review=self._parameters, seed=self._seed()
            )
        )
        self._opened.append(opened.digest)
        self._shown |= dict.fromkeys(gated.refused)
        self._shown |= {label.slice: label for label in gated.kept.labels}
        return self._collect(gated, wait=self._parameters.mode == "required")

    def finish(self, mixed: DatasetVersion) -> tuple[DatasetVersion, DatasetVersion]:
        """(`mixed` with what has come in since the last round, the expert masks with all that readers have checked)."""
        if not self._opened:
            return mixed, self._labelled
        late = self._collect(Gated(kept=_labels({}), refused=()), wait=False)
        mixed = self._flow.do(Merge(base=mixed, labels=late.kept, without=late.withdrawn))
        return mixed, self._flow.do(Merge(base=self._labelled, labels=_labels(self._checked)))

    @property
    def checked(self) -> set[str]:
        """The slices whose mask readers have accepted or corrected."""
        return set(self._checked)

    def _collect(self, gated: Gated, *, wait: bool) -> Gated:
        self._collected = self._flow.do(
            Collect(reviews=tuple(self._opened), after=self._collected, wait=wait)
        )
        kept = {label.slice: label for label in gated.kept.labels}
        of_round = {*kept, *gated.refused}
        withdrawn = set()
        for decided in self._collected.verdicts:
            label = self._decide(decided)
            kept.pop(decided.slice, None)
            if label is not None:
                kept[decided.slice] = label
            elif decided.slice not in of_round:
                withdrawn.add(decided.slice)
        return replace(
            gated,
            kept=_labels(kept),
            refused=tuple(sorted((of_round | withdrawn) - set(kept))),
            withdrawn=tuple(sorted(withdrawn)),
        )

    def _decide(self, decided: Decided) -> PseudoLabel | None:
        """The label that a slice is learnt from after a verdict; None when it should not be."""
        self._checked.pop(decided.slice, None)
        if decided.kind is VerdictKind.OPEN:
            return self._shown[decided.slice]
        if decided.label is None or decided.mask is None:
            return None
        label = PseudoLabel(
            label=decided.label,
            slice=decided.slice,
            mask=decided.mask,
            scores={},
            kind=_KINDS[decided.kind],
        )
        self._checked[decided.slice] = label
        return label

    def _gold(self, model: Trained) -> PseudoLabels:
        """Labels that the network gives to slices whose expert mask is known; other slices each round."""
        if not self._parameters.gold:
            return _labels({})
        drawn = self._flow.do(DrawGold(data=self._labelled, count=self._parameters.gold, seed=self._seed()))
        return self._flow.do(self._label(slices=drawn.slices, model=model, split=Split.LABELLED))

    def _seed(self) -> int:
        return self._random.getrandbits(32)


def _labels(by_slice: dict[str, PseudoLabel]) -> PseudoLabels:
    labels = tuple(by_slice[slice_] for slice_ in sorted(by_slice))
    return PseudoLabels(digest=fingerprint(labels), labels=labels)
