"""Which masks of which readers to compare: with each other where several have read a slice, with experts where it was gold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import combinations

from maskloom.pipelines.review.agreement import Agreement, Mask, SliceAgreement, agreement, agreement_on_slice
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import labels
from maskloom.platform.catalog.reviews import ReviewState
from maskloom.platform.facts import Answer, LabelVersion, Purpose, Split
from maskloom.platform.imaging.formats import decode_grey8
from maskloom.platform.imaging.masks import binary

Answers = Mapping[tuple[str, str, str], Answer]
"""Each reader's newest answer, by (review, slice, reader)."""


class Comparing:
    """The masks that readers of some reviews gave, read when they are asked for."""

    def __init__(self, platform: Platform, states: Sequence[ReviewState], answers: Answers) -> None:
        self._platform = platform
        self._states = states
        self._answers = answers
        self._labels = platform.database.transaction(
            lambda c: labels.by_digest(c, [answer.label for answer in answers.values() if answer.label])
        )

    def pairs(self) -> dict[tuple[str, str], Agreement]:
        """How well each two readers agree on the slices that both have given a mask."""
        found: dict[tuple[str, str], list[SliceAgreement]] = defaultdict(list)
        for readers in self._readings().values():
            masks = (
                {reader: self._mask(label) for reader, label in readers.items()} if len(readers) > 1 else {}
            )
            for first, second in combinations(sorted(masks), 2):
                found[first, second].append(agreement_on_slice(masks[first], masks[second]))
        return {pair: agreement(slices) for pair, slices in sorted(found.items())}

    def gold(self) -> dict[str, Agreement]:
        """How well each reader agrees with experts on the gold slices that they gave a mask."""
        found: dict[str, list[SliceAgreement]] = defaultdict(list)
        for state in self._states:
            gold = [one for one in state.review.assignments if one.purpose is Purpose.GOLD]
            if not gold:
                continue
            slices = sorted({one.slice for one in gold})
            of_experts = partial(labels.expert_labels, dataset=state.review.dataset, split=Split.LABELLED)
            experts = self._platform.database.transaction(partial(of_experts, only=slices))
            for one in gold:
                label = self._given(state.review.id, one.slice, one.reader)
                if label is not None:
                    drawn, true = self._mask(label), self._mask(experts[one.slice])
                    found[one.reader].append(agreement_on_slice(drawn, true))
        return {reader: agreement(slices) for reader, slices in found.items()}

    def _readings(self) -> dict[tuple[str, str], dict[str, LabelVersion]]:
        """The labels that readers gave, by (review, slice) and reader; without gold slices and adjudicators."""
        found: dict[tuple[str, str], dict[str, LabelVersion]] = defaultdict(dict)
        for state in self._states:
            for one in state.review.assignments:
                label = self._given(state.review.id, one.slice, one.reader)
                if one.purpose is Purpose.READING and label is not None:
                    found[state.review.id, one.slice][one.reader] = label
        return found

    def _given(self, review: str, slice_: str, reader: str) -> LabelVersion | None:
        answer = self._answers.get((review, slice_, reader))
        return self._labels[answer.label] if answer and answer.label else None

    def _mask(self, label: LabelVersion) -> Mask:
        return binary(decode_grey8(self._platform.objects.get(label.mask)))
