"""Queries on reviews: which masks are shown to whom, and until when. What comes back is in `answers.py`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from maskloom.platform.catalog.review_schema import (
    review_answers,
    review_assignments,
    review_closings,
    reviews,
)
from maskloom.platform.catalog.schema import run_steps
from maskloom.platform.facts import Assignment, Purpose, Review, Split
from maskloom.platform.fingerprint import plain


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewState:
    """A review as it stands; `closed` is why it was closed, None while it is open."""

    review: Review
    opened_at: datetime
    closed: str | None
    closed_at: datetime | None


def add(connection: Connection, review: Review) -> None:
    """Insert a review with its assignments; one that exists is the same one."""
    row = asdict(review)
    del row["assignments"]
    connection.execute(insert(reviews).values(row).on_conflict_do_nothing())
    assign(connection, review.id, review.dataset, review.assignments)


def assign(connection: Connection, review: str, dataset: str, assignments: Iterable[Assignment]) -> None:
    """Insert assignments of a review; one that exists stays as it is."""
    rows = [plain(assignment) | {"review": review, "dataset": dataset} for assignment in assignments]
    if rows:
        connection.execute(insert(review_assignments).on_conflict_do_nothing(), rows)


def of_run(connection: Connection, run: str) -> list[ReviewState]:
    """The reviews of a run, those that it shares with an earlier run included, oldest first."""
    used = select(run_steps.c.step).where(run_steps.c.run == run)
    return _states(connection, reviews.c.id.in_(used))


def opened_by(connection: Connection, run: str) -> list[ReviewState]:
    """The reviews that a run has opened itself, oldest first."""
    return _states(connection, reviews.c.run == run)


def _states(connection: Connection, wanted: ColumnElement[bool]) -> list[ReviewState]:
    rows = connection.execute(
        select(reviews, review_closings.c.reason, review_closings.c.at.label("closed_at"))
        .outerjoin(review_closings, review_closings.c.review == reviews.c.id)
        .where(wanted)
        .order_by(reviews.c.at, reviews.c.id)
    ).all()
    assigned = assignments(connection, [row.id for row in rows])
    return [
        ReviewState(
            review=Review(
                id=row.id,
                run=row.run,
                dataset=row.dataset,
                round=row.round,
                parameters=row.parameters,
                assignments=tuple(assigned.get(row.id, ())),
            ),
            opened_at=row.at,
            closed=row.reason,
            closed_at=row.closed_at,
        )
        for row in rows
    ]


def assignments(connection: Connection, review_ids: Sequence[str]) -> dict[str, list[Assignment]]:
    """The assignments of each review, by place and reader."""
    rows = connection.execute(
        select(review_assignments)
        .where(review_assignments.c.review.in_(review_ids))
        .order_by(review_assignments.c.place, review_assignments.c.slice, review_assignments.c.reader)
    )
    found: dict[str, list[Assignment]] = {}
    for row in rows:
        assignment = Assignment(
            slice=row.slice,
            split=Split(row.split),
            label=row.label,
            reader=row.reader,
            purpose=Purpose(row.purpose),
            place=row.place,
        )
        found.setdefault(row.review, []).append(assignment)
    return found


def closing(connection: Connection, review: str) -> str | None:
    """Why a review was closed; None while it is open."""
    reason: str | None = connection.scalar(
        select(review_closings.c.reason).where(review_closings.c.review == review)
    )
    return reason


def close(connection: Connection, review: str, reason: str) -> bool:
    """Close a review; False when it was closed already."""
    closed = connection.execute(
        insert(review_closings)
        .values(review=review, reason=reason)
        .on_conflict_do_nothing()
        .returning(review_closings.c.review)
    )
    return closed.one_or_none() is not None


def count_open(connection: Connection) -> int:
    """How many reviews are not closed."""
    query = (
        select(func.count())
        .select_from(reviews.outerjoin(review_closings))
        .where(review_closings.c.review.is_(None))
    )
    return connection.scalar(query) or 0


def reviewed_runs(connection: Connection) -> list[str]:
    """The ids of the runs that have opened a review, the newest review's first."""
    newest = func.max(reviews.c.at)
    return list(connection.scalars(select(reviews.c.run).group_by(reviews.c.run).order_by(newest.desc())))


def assigned(connection: Connection, run: str) -> int:
    """How many assignments the reviews of a run have, those included that it shares."""
    count: int = connection.execute(
        select(func.count())
        .select_from(review_assignments)
        .join(run_steps, run_steps.c.step == review_assignments.c.review)
        .where(run_steps.c.run == run)
    ).scalar_one()
    return count


def unread(connection: Connection, run: str) -> dict[str, int]:
    """How many slices each reader of a run's open reviews has not answered yet."""
    answered = (
        select(review_answers.c.id)
        .where(
            review_answers.c.review == review_assignments.c.review,
            review_answers.c.slice == review_assignments.c.slice,
            review_answers.c.reader == review_assignments.c.reader,
        )
        .exists()
    )
    closed = select(review_closings.c.review).where(review_closings.c.review == reviews.c.id).exists()
    rows = connection.execute(
        select(review_assignments.c.reader, func.count())
        .join(reviews, reviews.c.id == review_assignments.c.review)
        .where(reviews.c.run == run, ~answered, ~closed)
        .group_by(review_assignments.c.reader)
    )
    return {row[0]: row[1] for row in rows}
