"""What readers' answers decide: one reader alone, several who agree, an adjudicator where they do not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter
from sqlalchemy import Connection

from maskloom.pipelines.parameters import ReviewParameters
from maskloom.pipelines.review.agreement import agreement_on_slice
from maskloom.pipelines.review.consensus import CONSENSUS
from maskloom.platform.catalog import answers, labels, reviews
from maskloom.platform.catalog.reviews import ReviewState
from maskloom.platform.catalog.slices import add_blob
from maskloom.platform.facts import (
    Answer,
    AnswerKind,
    Assignment,
    LabelKind,
    LabelVersion,
    Purpose,
    Verdict,
    VerdictKind,
)
from maskloom.platform.fingerprint import fingerprint
from maskloom.platform.imaging.formats import decode_grey8, encode_png
from maskloom.platform.imaging.masks import binary
from maskloom.platform.objects.store import ObjectStore

_PARAMETERS = TypeAdapter(ReviewParameters)


def parameters_of(state: ReviewState) -> ReviewParameters:
    """What a review was opened with."""
    return _PARAMETERS.validate_python(state.review.parameters)


def judge(connection: Connection, objects: ObjectStore, state: ReviewState, changed: Iterable[str]) -> None:
    """Add the verdicts that the answers on the slices `changed` now give, and hand an adjudicator what readers disagree on.

    Call `answers.lock` first. Gold slices get no verdict: their expert mask is known.
    """
    wanted = set(changed)
    if not wanted:
        return
    review = state.review.id
    newest = answers.newest_answers(connection, [review])
    before = answers.newest_verdicts(connection, [review])
    cases: dict[str, list[Assignment]] = defaultdict(list)
    for assignment in reviews.assignments(connection, [review])[review]:
        if assignment.slice in wanted and assignment.purpose is not Purpose.GOLD:
            cases[assignment.slice].append(assignment)
    bench = _Bench(connection=connection, objects=objects, state=state, parameters=parameters_of(state))
    for slice_, assigned in sorted(cases.items()):
        given = {one.reader: newest.get((review, slice_, one.reader)) for one in assigned}
        verdict = bench.verdict(assigned, {r: a for r, a in given.items() if a and _stands(a)})
        last = before.get((review, slice_))
        if last is None and verdict.kind is VerdictKind.OPEN:
            continue
        if last is None or (verdict.kind, verdict.label) != (last.kind, last.label):
            answers.add_verdicts(connection, [verdict])


def _stands(answer: Answer) -> bool:
    return answer.kind is not AnswerKind.WITHDRAWN


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    """Where the verdicts of one review are found."""

    connection: Connection
    objects: ObjectStore
    state: ReviewState
    parameters: ReviewParameters

    def verdict(self, assigned: Sequence[Assignment], given: dict[str, Answer]) -> Verdict:
        """The verdict on one slice from the answers that stand, by reader."""
        first = assigned[0]
        adjudicator = next((one.reader for one in assigned if one.purpose is Purpose.ADJUDICATION), None)
        if adjudicator in given:
            return self._from(given[adjudicator], "adjudicator")
        readers = [one.reader for one in assigned if one.purpose is Purpose.READING]
        readings = [given[reader] for reader in readers if reader in given]
        if len(readings) < len(readers):
            return self._open(first.slice)
        if len(readings) == 1:
            return self._from(readings[0], "reader")
        masks = self._masks(readings)
        if self._agree(readings, masks):
            return self._consensus(first, masks)
        if self.parameters.adjudicator:
            self._hand_over(first)
            return self._open(first.slice)
        return self._consensus(first, masks if len(masks) == len(readings) else [])

    def _agree(self, readings: Sequence[Answer], masks: Sequence[NDArray[np.uint8]]) -> bool:
        """All have rejected it, or all masks overlap enough."""
        if len(masks) < len(readings):
            return not masks
        return all(
            agreement_on_slice(a, b).dice >= self.parameters.agreement for a, b in combinations(masks, 2)
        )

    def _masks(self, readings: Sequence[Answer]) -> list[NDArray[np.uint8]]:
        known = labels.by_digest(self.connection, [one.label for one in readings if one.label])
        return [self._mask(known[one.label]) for one in readings if one.label]

    def _mask(self, label: LabelVersion) -> NDArray[np.uint8]:
        return binary(decode_grey8(self.objects.get(label.mask)))

    def _consensus(self, first: Assignment, masks: Sequence[NDArray[np.uint8]]) -> Verdict:
        """The one mask of several; without masks, or when one of the readers rejected the slice, a rejection."""
        how = self.parameters.consensus
        if not masks:
            return Verdict(
                review=self.state.review.id,
                slice=first.slice,
                kind=VerdictKind.REJECTED,
                label=None,
                decided_by=how,
            )
        mask = CONSENSUS[how](masks)
        shown = labels.by_digest(self.connection, [first.label])[first.label]
        same = np.array_equal(self._mask(shown), mask)
        label = self._label(shown, mask, LabelKind.ACCEPTED if same else LabelKind.CORRECTED)
        return Verdict(
            review=self.state.review.id,
            slice=first.slice,
            kind=VerdictKind(label.kind),
            label=label.digest,
            decided_by=how,
        )

    def _label(self, shown: LabelVersion, mask: NDArray[np.uint8], kind: LabelKind) -> LabelVersion:
        file = encode_png(mask)
        digest = self.objects.put(file)
        add_blob(self.connection, digest, len(file), "image/png")
        label = LabelVersion(
            digest=fingerprint(
                {"slice": shown.slice, "mask": digest, "review": self.state.review.id, "parent": shown.digest}
            ),
            dataset=shown.dataset,
            slice=shown.slice,
            split=shown.split,
            kind=kind,
            mask=digest,
            scores={"area": float((mask > 0).mean())},
            parent=shown.digest,
        )
        labels.add_labels(self.connection, [label])
        return label

    def _hand_over(self, first: Assignment) -> None:
        assert self.parameters.adjudicator
        handed = Assignment(
            slice=first.slice,
            split=first.split,
            label=first.label,
            reader=self.parameters.adjudicator,
            purpose=Purpose.ADJUDICATION,
            place=first.place,
        )
        reviews.assign(self.connection, self.state.review.id, self.state.review.dataset, [handed])

    def _from(self, answer: Answer, decided_by: str) -> Verdict:
        return Verdict(
            review=answer.review,
            slice=answer.slice,
            kind=VerdictKind(answer.kind),
            label=answer.label,
            decided_by=decided_by,
        )

    def _open(self, slice_: str) -> Verdict:
        return Verdict(
            review=self.state.review.id,
            slice=slice_,
            kind=VerdictKind.OPEN,
            label=None,
            decided_by="reader",
        )
