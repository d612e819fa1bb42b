"""When a review ends: everything is read, its budget is spent, its deadline has passed, or somebody says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from maskloom.pipelines.review.judging import parameters_of
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import answers, reviews
from maskloom.platform.catalog.reviews import ReviewState
from maskloom.platform.facts import AnswerKind
from maskloom.platform.run_facts import Run

BY_COMMAND = "it was closed by command"


def close_what_is_due(platform: Platform, run: Run, now: datetime | None = None) -> None:
    """Close those reviews of `run` that have come to their end by `now` (default: this moment)."""
    moment = now or datetime.now(UTC)

    def close(connection: Connection) -> None:
        for state in reviews.of_run(connection, run.id):
            reason = _due(connection, state, moment) if state.closed is None else None
            if reason is not None:
                reviews.close(connection, state.review.id, reason)

    platform.database.transaction(close)


def close_by_command(platform: Platform, run: Run) -> int:
    """Close the open reviews of `run`; how many there were."""

    def close(connection: Connection) -> int:
        still_open = [state for state in reviews.of_run(connection, run.id) if state.closed is None]
        return sum(reviews.close(connection, state.review.id, BY_COMMAND) for state in still_open)

    return platform.database.transaction(close)


def _due(connection: Connection, state: ReviewState, now: datetime) -> str | None:
    """Why a review should be closed at `now`; None when it should not."""
    parameters = parameters_of(state)
    newest = answers.newest_answers(connection, [state.review.id])
    standing = {key for key, answer in newest.items() if answer.kind is not AnswerKind.WITHDRAWN}
    wanted = {(state.review.id, one.slice, one.reader) for one in state.review.assignments}
    if wanted <= standing:
        return "everything is read"
    spent_s = sum(answer.lead_time_s or 0.0 for answer in newest.values())
    if parameters.most_minutes is not None and spent_s >= 60 * parameters.most_minutes:
        return f"the budget of {parameters.most_minutes:g} minutes is spent"
    if parameters.deadline_h is not None and now >= state.opened_at + timedelta(hours=parameters.deadline_h):
        return f"the deadline of {parameters.deadline_h:g} hours has passed"
    return None
