"""Take in what came back from readers: check it, keep it as answers and labels, and judge what they decide.

All of it is one transaction under the lock of the data set's reviews: who is killed in between has taken in nothing, and
takes in the same thing again. What a task looks like now is compared with the answer before, so nothing counts twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection

from maskloom.pipelines.review.judging import judge
from maskloom.pipelines.review.readings import Changes, Reading, State, Unreadable
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import answers, labels, reviews
from maskloom.platform.catalog.reviews import ReviewState
from maskloom.platform.catalog.slices import add_blobs
from maskloom.platform.facts import Answer, AnswerKind, Assignment, LabelKind, LabelVersion, SetAside
from maskloom.platform.fingerprint import fingerprint
from maskloom.platform.imaging.formats import decode_grey8, encode_png
from maskloom.platform.imaging.masks import binary
from maskloom.platform.run_facts import Run

_KEPT_BYTES = 1_000_000
"""Of something unreadable, at most so much is kept to look at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenIn:
    """How many answers were new, and how many things were set aside."""

    answers: int
    set_aside: int


def take_in(platform: Platform, run: Run, reader: str, tool: str, changes: Changes) -> TakenIn:
    """Keep what a reader made in the reviews that `run` has opened; `tool` names what the cursor of `changes` is for."""
    states = platform.database.transaction(lambda c: reviews.opened_by(c, run.id))
    tasks = _tasks(states, reader)
    read, foreign = _prepared(platform, tasks, changes.readings)
    blobs = [(one.mask, one.size_bytes, "image/png") for one in read if one.mask]
    aside = [_kept(platform, run, reader, thing, blobs) for thing in (*changes.unreadable, *foreign)]

    def commit(connection: Connection) -> TakenIn:
        answers.lock(connection, run.dataset)
        add_blobs(connection, blobs)
        before = answers.newest_answers(connection, [state.review.id for state in states])
        new = [one for one in read if _is_new(one.answer, before)]
        labels.add_labels(connection, [one.label for one in new if one.label])
        answers.add_answers(connection, [one.answer for one in new])
        answers.add_set_aside(connection, aside)
        if changes.cursor != answers.cursor(connection, run.id, reader, tool):
            answers.set_cursor(connection, run.id, reader, tool, changes.cursor)
        changed: dict[str, set[str]] = defaultdict(set)
        for one in new:
            changed[one.answer.review].add(one.answer.slice)
        for state in states:
            judge(connection, platform.objects, state, changed[state.review.id])
        return TakenIn(answers=len(new), set_aside=len(aside))

    return platform.database.transaction(commit)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """An answer with the label that goes with it, and its stored mask."""

    answer: Answer
    label: LabelVersion | None = None
    mask: str | None = None
    size_bytes: int = 0


def _tasks(states: Sequence[ReviewState], reader: str) -> dict[str, tuple[str, Assignment]]:
    """(review, assignment) of each slice that the reader was shown, the newest where there are several."""
    return {
        assignment.slice: (state.review.id, assignment)
        for state in states
        for assignment in state.review.assignments
        if assignment.reader == reader
    }


def _prepared(
    platform: Platform, tasks: dict[str, tuple[str, Assignment]], readings: Sequence[Reading]
) -> tuple[list[_Read], list[Unreadable]]:
    """Readings with their masks stored, and those that are of no task or no mask of it."""
    known = [reading for reading in readings if reading.slice in tasks]
    foreign = [
        Unreadable(
            source=reading.source, reason="It is of a slice that this reader was not given.", content=b""
        )
        for reading in readings
        if reading.slice not in tasks
    ]
    shown = platform.database.transaction(
        lambda c: labels.by_digest(c, [tasks[reading.slice][1].label for reading in known])
    )
    read = []
    for reading in known:
        review, assignment = tasks[reading.slice]
        label = shown[assignment.label]
        if reading.mask is None:
            read.append(_without_mask(reading, review, assignment))
            continue
        pixels = decode_grey8(platform.objects.get(label.mask))
        if reading.mask.shape != pixels.shape:
            size = " x ".join(map(str, reading.mask.shape[::-1]))
            reason = f"The mask is {size} pixels, and its slice {pixels.shape[1]} x {pixels.shape[0]}."
            foreign.append(Unreadable(source=reading.source, reason=reason, content=b""))
            continue
        same = np.array_equal(binary(pixels), reading.mask)
        read.append(
            _with_mask(
                platform,
                reading,
                review,
                assignment,
                label,
                LabelKind.ACCEPTED if same else LabelKind.CORRECTED,
            )
        )
    return sorted(read, key=lambda one: one.answer.made_at), foreign


def _without_mask(reading: Reading, review: str, assignment: Assignment) -> _Read:
    kind = AnswerKind.REJECTED if reading.state is State.SKIPPED else AnswerKind.WITHDRAWN
    return _Read(answer=_answer(reading, review, assignment, kind, None))


def _with_mask(
    platform: Platform,
    reading: Reading,
    review: str,
    assignment: Assignment,
    shown: LabelVersion,
    kind: LabelKind,
) -> _Read:
    assert reading.mask is not None
    file = encode_png(reading.mask)
    mask = platform.objects.put(file)
    label = LabelVersion(
        digest=fingerprint(
            {"slice": reading.slice, "mask": mask, "reader": assignment.reader, "parent": shown.digest}
        ),
        dataset=shown.dataset,
        slice=reading.slice,
        split=assignment.split,
        kind=kind,
        mask=mask,
        scores={"area": float((reading.mask > 0).mean())},
        reader=assignment.reader,
        parent=shown.digest,
    )
    answer = _answer(reading, review, assignment, AnswerKind(kind), label.digest)
    return _Read(answer=answer, label=label, mask=mask, size_bytes=len(file))


def _answer(
    reading: Reading, review: str, assignment: Assignment, kind: AnswerKind, label: str | None
) -> Answer:
    return Answer(
        review=review,
        slice=reading.slice,
        reader=assignment.reader,
        kind=kind,
        label=label,
        lead_time_s=reading.lead_time_s,
        made_at=reading.changed_at,
        source=reading.source,
    )


def _is_new(answer: Answer, before: dict[tuple[str, str, str], Answer]) -> bool:
    """Whether it says something else than the answer before it, and is no older: two who ask at once may answer late.

    An unread task takes back only what was answered at the same place: a reader who moves from Label Studio to a folder, or
    back, finds all slices unread there.
    """
    last = before.get((answer.review, answer.slice, answer.reader))
    if answer.kind is AnswerKind.WITHDRAWN and (last is None or _place(answer) != _place(last)):
        return False
    if last is None:
        return True
    return (answer.kind, answer.label) != (last.kind, last.label) and answer.made_at >= last.made_at


def _place(answer: Answer) -> str:
    """The Label Studio project of an answer, as `ls/5`; of one from a folder, nothing."""
    return answer.source.rpartition("/")[0]


def _kept(
    platform: Platform, run: Run, reader: str, thing: Unreadable, blobs: list[tuple[str, int, str]]
) -> SetAside:
    """`thing` with its content stored; the blob is added to `blobs`."""
    content = thing.content[:_KEPT_BYTES]
    digest = platform.objects.put(content) if content else None
    if digest:
        blobs.append((digest, len(content), "application/octet-stream"))
    return SetAside(run=run.id, reader=reader, source=thing.source, reason=thing.reason, blob=digest)
