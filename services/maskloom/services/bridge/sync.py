"""Carry masks out to the readers' tool and answers back. Each half can be done again at any time, by anybody."""

from __future__ import annotations

from collections import defaultdict
from functools import partial

from sqlalchemy import Connection

from maskloom.pipelines.review.closing import close_what_is_due
from maskloom.pipelines.review.intake import TakenIn, take_in
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import answers, desks, labels, reviews, runs, slices
from maskloom.platform.catalog.reviews import ReviewState
from maskloom.platform.facts import Assignment, LabelVersion, Purpose
from maskloom.platform.run_facts import Run
from maskloom.services.bridge.tool import AnnotationTool, Desk, Pushed, Task


def push(platform: Platform, run: Run, tool: AnnotationTool) -> dict[str, Pushed]:
    """Give every reader of `run` the masks that were handed out to them; by reader.

    Raises ToolUnavailable; what the tool has by then stays there.
    """
    pushed: dict[str, Pushed] = {}
    for owner in _owners(platform, run):
        tasks = platform.database.transaction(partial(_tasks, run=owner))
        for desk, those in tasks.items():
            pushed[desk.reader] = tool.push(desk, those)
            seat = partial(desks.set_place, run=desk.run, reader=desk.reader, where=tool.where(desk))
            platform.database.transaction(seat)
    return pushed


def pull(
    platform: Platform, run: Run, tool: AnnotationTool, *, everything: bool = False
) -> dict[str, TakenIn]:
    """Take in what the readers of `run` have made since the last time, and close the reviews that are due; by reader.

    With `everything`, all that they ever made is looked at: a tool that dies while it saves an answer may have it
    without knowing when. Raises ToolUnavailable; what was taken in by then is kept.
    """
    taken = {}
    for owner in _owners(platform, run):
        for desk in platform.database.transaction(partial(desks_of, run=owner)):
            find_cursor = partial(answers.cursor, run=owner.id, reader=desk.reader, tool=tool.name)
            cursor = None if everything else platform.database.transaction(find_cursor)
            changes = tool.changes(desk, cursor)
            taken[desk.reader] = take_in(platform, owner, desk.reader, tool.name, changes)
    close_what_is_due(platform, run)
    return taken


def _owners(platform: Platform, run: Run) -> list[Run]:
    """The runs that opened the reviews of `run`: itself, and those of whose steps it makes use."""

    def find(connection: Connection) -> list[Run]:
        opened_by = sorted({state.review.run for state in reviews.of_run(connection, run.id)})
        return [runs.find(connection, owner)[0] for owner in opened_by]

    return platform.database.transaction(find)


def desks_of(connection: Connection, run: Run) -> list[Desk]:
    """The desks of those who have something to read in the reviews that `run` has opened."""
    readers = {
        one.reader for state in reviews.opened_by(connection, run.id) for one in state.review.assignments
    }
    classes = tuple(slices.classes(connection, run.dataset))
    return [Desk(run=run.id, reader=reader, classes=classes) for reader in sorted(readers)]


def _tasks(connection: Connection, run: Run) -> dict[Desk, list[Task]]:
    """What each reader should have, the newest round first; within a round as it was handed out."""
    states = reviews.opened_by(connection, run.id)
    assigned = [(state, one) for state in reversed(states) for one in state.review.assignments]
    known = slices.by_digest(connection, run.dataset, [one.slice for _, one in assigned])
    shown = labels.by_digest(connection, sorted({one.label for _, one in assigned}))
    others = _others_masks(connection, states)
    version = f"{run.id}/{max((state.review.round or 0 for state in states), default=0)}"
    tasks: dict[str, list[Task]] = defaultdict(list)
    for state, one in assigned:
        label = shown[one.label]
        slice_ = known[one.slice]
        masks = others.get((state.review.id, one.slice), ()) if one.purpose is Purpose.ADJUDICATION else ()
        tasks[one.reader].append(
            Task(
                slice=one.slice,
                image=one.slice,
                masks=masks or (label.mask,),
                width=slice_.width,
                height=slice_.height,
                uncertainty=label.scores["uncertainty"],
                place=len(tasks[one.reader]),
                version=version,
            )
        )
    return {desk: tasks[desk.reader] for desk in desks_of(connection, run)}


def _others_masks(
    connection: Connection, states: list[ReviewState]
) -> dict[tuple[str, str], tuple[str, ...]]:
    """The masks that readers gave, by review and slice: what an adjudicator looks at."""
    readers: dict[tuple[str, str], list[Assignment]] = defaultdict(list)
    for state in states:
        for one in state.review.assignments:
            if one.purpose is Purpose.READING:
                readers[state.review.id, one.slice].append(one)
    newest = answers.newest_answers(connection, [state.review.id for state in states])
    given: dict[str, LabelVersion] = labels.by_digest(
        connection, [answer.label for answer in newest.values() if answer.label]
    )
    found = {}
    for (review, slice_), those in readers.items():
        masks = [newest.get((review, slice_, one.reader)) for one in those]
        found[review, slice_] = tuple(given[one.label].mask for one in masks if one and one.label)
    return found
