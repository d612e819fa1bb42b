"""The reviews of one run, as its method sees them: a round's labels go in, and come out as readers left them.

Each round opens a review (`steps/open_review.py`) and then collects every verdict that has come in since the last time, on
this round's slices or on earlier ones (`steps/collect.py`). A collection is a recorded step: whoever replays the run sees the
same verdicts. How answers become verdicts is in `judging.py`, and who carries them here and there in `services/bridge`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from maskloom.pipelines.flow import Flow
from maskloom.pipelines.parameters import ReviewParameters
from maskloom.pipelines.steps.collect import Collect, Collected, Decided
from maskloom.pipelines.steps.draw_gold import DrawGold
from maskloom.pipelines.steps.gate import Gated
from maskloom.pipelines.steps.label import Label, PseudoLabels
from maskloom.pipelines.steps.merge import Merge
from maskloom.pipelines.steps.open_review import OpenReview
from maskloom.pipelines.steps.train import Trained
from maskloom.platform.facts import DatasetVersion, Item, LabelKind, Split, VerdictKind

_KINDS = {
    VerdictKind.ACCEPTED: LabelKind.ACCEPTED,
    VerdictKind.CORRECTED: LabelKind.CORRECTED,
    VerdictKind.OPEN: LabelKind.PSEUDO,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What readers have said since the round before, on its labels and on earlier ones, by slice digest.

    `corrected` goes before what a network drew; of the slices `without` nothing should be learnt.
    """

    corrected: tuple[Item, ...] = ()
    without: tuple[str, ...] = ()


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
        self._checked: dict[str, Item] = {}
        self._without: set[str] = set()

    def of_round(self, pseudo: PseudoLabels, gated: Gated, model: Trained) -> Read:
        """Hand out the round's labels; returns what readers have made of them, and since of those of earlier rounds.

        Raises Waiting when the review is required and not closed yet.
        """
        if self._parameters.mode == "none":
            return Read()
        opened = self._flow.do(
            OpenReview(
                labels=pseudo, gated=gated, gold=self._gold(model), review=self._parameters, seed=self._seed()
            )
        )
        self._opened.append(opened.digest)
        return self._collect(wait=self._parameters.mode == "required")

    def finish(self, mixed: DatasetVersion) -> tuple[DatasetVersion, DatasetVersion]:
        """(`mixed` with what has come in since the last round, the expert masks with all that readers have checked)."""
        if not self._opened:
            return mixed, self._labelled
        late = self._collect(wait=False)
        mixed = self._flow.do(Merge(base=mixed, gated=None, corrected=late.corrected, without=late.without))
        checked = tuple(self._checked[slice_] for slice_ in self.checked)
        return mixed, self._flow.do(Merge(base=self._labelled, gated=None, corrected=checked))

    @property
    def checked(self) -> tuple[str, ...]:
        """The slices whose mask readers have accepted or corrected."""
        return tuple(sorted(self._checked))

    @property
    def without(self) -> tuple[str, ...]:
        """The slices whose mask readers have refused at some time."""
        return tuple(sorted(self._without))

    def _collect(self, *, wait: bool) -> Read:
        self._collected = self._flow.do(
            Collect(reviews=tuple(self._opened), after=self._collected, wait=wait)
        )
        corrected: list[Item] = []
        without: list[str] = []
        for decided in self._collected.verdicts:
            item = self._item(decided)
            if item is None:
                without.append(decided.slice)
            else:
                corrected.append(item)
        self._without |= set(without)
        return Read(corrected=tuple(corrected), without=tuple(without))

    def _item(self, decided: Decided) -> Item | None:
        """What a slice is learnt from after a verdict; None when it should not be."""
        self._checked.pop(decided.slice, None)
        if decided.label is None or decided.mask is None:
            return None
        item = Item(slice=decided.slice, label=decided.label, mask=decided.mask, kind=_KINDS[decided.kind])
        if decided.kind is not VerdictKind.OPEN:
            self._checked[decided.slice] = item
        return item

    def _gold(self, model: Trained) -> PseudoLabels | None:
        """Labels that the network gives to slices whose expert mask is known; other slices each round."""
        if not self._parameters.gold:
            return None
        drawn = self._flow.do(DrawGold(data=self._labelled, count=self._parameters.gold, seed=self._seed()))
        return self._flow.do(self._label(slices=drawn, model=model, split=Split.LABELLED))

    def _seed(self) -> int:
        return self._random.getrandbits(32)
