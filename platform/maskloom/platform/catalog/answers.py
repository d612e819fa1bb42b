"""Queries on what came back from readers, and what was decided.

Whoever adds answers or verdicts calls `lock` first, so that what can be seen grows in the order of its numbers: who has
seen verdict 7 will never find a new verdict 6.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, text
from sqlalchemy.dialects.postgresql import distinct_on, insert

from maskloom.platform.catalog.review_schema import (
    review_answers,
    review_cursors,
    review_set_aside,
    review_verdicts,
    reviews,
)
from maskloom.platform.facts import Answer, AnswerKind, SetAside, Verdict, VerdictKind


def lock(connection: Connection, dataset: str) -> None:
    """Until the transaction ends, nobody else adds answers or verdicts on slices of `dataset`."""
    connection.execute(
        text("select pg_advisory_xact_lock(hashtextextended('review/' || :dataset, 0))"), {"dataset": dataset}
    )


def add_answers(connection: Connection, answers: Iterable[Answer]) -> None:
    """Insert answers, in the order given. Call `lock` first."""
    rows = [asdict(answer) for answer in answers]
    if rows:
        connection.execute(insert(review_answers), rows)


def newest_answers(connection: Connection, review_ids: Sequence[str]) -> dict[tuple[str, str, str], Answer]:
    """Each reader's newest answer on each slice, by (review, slice, reader)."""
    rows = connection.execute(
        select(review_answers)
        .ext(distinct_on(review_answers.c.review, review_answers.c.slice, review_answers.c.reader))
        .where(review_answers.c.review.in_(review_ids))
        .order_by(
            review_answers.c.review,
            review_answers.c.slice,
            review_answers.c.reader,
            review_answers.c.id.desc(),
        )
    )
    return {(row.review, row.slice, row.reader): _answer(row) for row in rows}


def add_verdicts(connection: Connection, verdicts: Iterable[Verdict]) -> None:
    """Insert verdicts; their numbers are given here. Call `lock` first."""
    rows = [{name: value for name, value in asdict(v).items() if name != "number"} for v in verdicts]
    if rows:
        connection.execute(insert(review_verdicts), rows)


def newest_verdicts(
    connection: Connection, review_ids: Sequence[str], after: int = 0
) -> dict[tuple[str, str], Verdict]:
    """The verdict on each slice, by (review, slice); only those with a number above `after`."""
    rows = connection.execute(
        select(review_verdicts)
        .ext(distinct_on(review_verdicts.c.review, review_verdicts.c.slice))
        .where(review_verdicts.c.review.in_(review_ids), review_verdicts.c.number > after)
        .order_by(review_verdicts.c.review, review_verdicts.c.slice, review_verdicts.c.number.desc())
    )
    return {
        (row.review, row.slice): Verdict(
            review=row.review,
            slice=row.slice,
            kind=VerdictKind(row.kind),
            label=row.label,
            decided_by=row.decided_by,
            number=row.number,
        )
        for row in rows
    }


def add_set_aside(connection: Connection, things: Iterable[SetAside]) -> None:
    """Record answers that cannot be used; the same once."""
    rows = [asdict(thing) for thing in things]
    if rows:
        connection.execute(insert(review_set_aside).on_conflict_do_nothing(), rows)


def set_aside(connection: Connection, run: str) -> list[tuple[SetAside, datetime]]:
    """What was set aside in the reviews that a run has opened, and when, oldest first; not what has been put right since."""
    put_right = (
        select(review_answers.c.id)
        .join(reviews, reviews.c.id == review_answers.c.review)
        .where(
            reviews.c.run == run,
            review_answers.c.reader == review_set_aside.c.reader,
            review_answers.c.source == review_set_aside.c.source,
            review_answers.c.at > review_set_aside.c.at,
        )
        .exists()
    )
    rows = connection.execute(
        select(review_set_aside)
        .where(review_set_aside.c.run == run, ~put_right)
        .order_by(review_set_aside.c.id)
    )
    return [
        (
            SetAside(run=row.run, reader=row.reader, source=row.source, reason=row.reason, blob=row.blob),
            row.at,
        )
        for row in rows
    ]


def cursor(connection: Connection, run: str, reader: str, tool: str) -> str | None:
    """Up to where a reader's answers have been taken from a tool; None before the first time."""
    found: str | None = connection.scalar(
        select(review_cursors.c.cursor)
        .where(review_cursors.c.run == run, review_cursors.c.reader == reader, review_cursors.c.tool == tool)
        .order_by(review_cursors.c.id.desc())
        .limit(1)
    )
    return found


def set_cursor(connection: Connection, run: str, reader: str, tool: str, cursor: str) -> None:
    """Record up to where a reader's answers have been taken from a tool."""
    connection.execute(insert(review_cursors).values(run=run, reader=reader, tool=tool, cursor=cursor))


def _answer(row: Any) -> Answer:
    return Answer(
        review=row.review,
        slice=row.slice,
        reader=row.reader,
        kind=AnswerKind(row.kind),
        label=row.label,
        lead_time_s=row.lead_time_s,
        made_at=row.made_at,
        source=row.source,
    )
