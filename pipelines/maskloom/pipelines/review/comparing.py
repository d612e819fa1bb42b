"""Which masks of which readers to compare: with each other where several have read a slice, with experts where it was gold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import combinations
from statistics import mean

from maskloom.pipelines.review.agreement import Agreement, Mask, SliceAgreement, agreement, agreement_on_slice
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import labels
from maskloom.platform.catalog.reviews import ReviewState
from maskloom.platform.facts import Answer, LabelVersion, Purpose, Split
from maskloom.platform.imaging.formats import decode_grey8
from maskloom.platform.imaging.masks import binary

Answers = Mapping[tuple[str, str, str], Answer]
"""Each reader's newest answer, by (review, slice, reader)."""
Compared = dict[tuple[str, str], SliceAgreement]
"""What is known of two masks, by their digests: they never change, so who asks often need not compare them again."""


class Comparing:
    """The masks that readers of some reviews gave, read when they are asked for."""

    def __init__(
        self,
        platform: Platform,
        states: Sequence[ReviewState],
        answers: Answers,
        compared: Compared | None = None,
    ) -> None:
        """`compared` is made use of, and what it lacks is put into it."""
        self._compared = {} if compared is None else compared
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
            for first, second in combinations(sorted(readers), 2):
                found[first, second].append(self._agreement(readers[first], readers[second]))
        return {pair: agreement(slices) for pair, slices in sorted(found.items())}

    def of_reviews(self) -> dict[str, float]:
        """The mean Dice of each two readers on each slice of a review, 0..1, by review; of those where two gave a mask."""
        found: dict[str, list[float]] = defaultdict(list)
        for (review, _), readers in self._readings().items():
            found[review] += [self._agreement(a, b).dice for a, b in combinations(readers.values(), 2)]
        return {review: mean(dices) for review, dices in found.items() if dices}

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
                    found[one.reader].append(self._agreement(label, experts[one.slice]))
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

    def _agreement(self, first: LabelVersion, second: LabelVersion) -> SliceAgreement:
        found = self._compared.get((first.mask, second.mask))
        if found is None:
            found = agreement_on_slice(self._mask(first), self._mask(second))
            self._compared[first.mask, second.mask] = found
        return found

    def _mask(self, label: LabelVersion) -> Mask:
        return binary(decode_grey8(self._platform.objects.get(label.mask)))
