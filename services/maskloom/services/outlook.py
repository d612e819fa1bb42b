"""What a run that goes on is doing, and how long it still takes: told by the catalog to somebody who did not watch it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from maskloom.pipelines import course, recipes
from maskloom.platform.catalog import course as course_queries
from maskloom.platform.catalog import news
from maskloom.platform.run_facts import Run
from maskloom.services.following import Following

_RECENT_ROUNDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """`stage` such as fine-tuning, `place` such as round 3 of 8, and how far the step is.

    `left_s` is what the rounds still take, by the last few, and outside of rounds what the step does, by how far it is; None
    where nothing is known yet.
    """

    stage: str
    place: str
    done: int
    total: int
    loss: float | None
    dice: float | None
    images_per_s: float | None
    left_s: float | None


def outlook(connection: Connection, run: Run, doing: dict[str, Any]) -> Outlook:
    """`doing` is the note on the lease of the run's driver."""
    number: int | None = doing["round"]
    done, total = doing["done"], doing["total"]
    recent = course.rounds(connection, run, max(0, (number or 1) - 1 - _RECENT_ROUNDS), _RECENT_ROUNDS + 1)
    since_s = (datetime.now(UTC) - news.newest(connection, run.id).step).total_seconds()
    begun = sum(sum(one.seconds.values()) for one in recent if one.number == number)
    following = Following.joining(
        rounds=course.rounds_of(recipes.RECIPE.validate_python(run.recipe), run.pool.size),
        # A training that has come to its end is done already, while the step after it has nothing to say yet.
        trained_alone=max(0, course_queries.trained_alone(connection, run.id) - (done == total)),
        grown=course_queries.has_kept(connection, run.id),
        round_seconds=[
            sum(one.seconds.values()) for one in recent if one.checkpoint and one.number != number
        ],
        begun_s=begun + max(0.0, since_s),
    )
    if number is not None:
        left_s = following.rounds_left_s(number)
    else:
        left_s = since_s / done * (total - done) if done else None
    return Outlook(
        stage=following.stage(doing["kind"], number),
        place=following.place(number),
        done=done,
        total=total,
        loss=doing.get("loss"),
        dice=doing.get("dice"),
        images_per_s=doing.get("images_per_s"),
        left_s=left_s,
    )
