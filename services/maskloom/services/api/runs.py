"""Runs: started, stopped and looked at."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Body, Query
from pydantic import TypeAdapter
from sqlalchemy import Connection

from maskloom.pipelines import course, drive, recipes
from maskloom.platform.account_facts import Role
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import audit, run_lists, runs, steps, tickets
from maskloom.platform.errors import UnknownName
from maskloom.platform.run_facts import Run, RunStatus, Ticket
from maskloom.services.access.caller import Caller
from maskloom.services.api.gate import Signed
from maskloom.services.api.moments import Moment
from maskloom.services.api.once import Once, Repeatable
from maskloom.services.api.page import Page
from maskloom.services.api.paging import Cursor, Limit, cursor_of, place_of
from maskloom.services.api.problems import refusals
from maskloom.services.api.views import (
    Going,
    ListedRunView,
    NewRun,
    RunRecord,
    RunView,
    StartedRun,
    StepView,
    StoryView,
)
from maskloom.services.records import recipe_name, run_record
from maskloom.services.slice_story import story

RUN_PLACE: TypeAdapter[tuple[datetime, str]] = TypeAdapter(tuple[Moment, str])


class Runs:
    """Answers below /runs."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._transaction = platform.database.transaction

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/runs", tags=["runs"])
        router.add_api_route("", self.every, methods=["GET"], responses=refusals(404), name="list")
        router.add_api_route("", self.start, methods=["POST"], status_code=202, responses=refusals(403, 404))
        router.add_api_route("/{run}", self.one, methods=["GET"], name="get")
        router.add_api_route("/{run}/steps", self.steps, methods=["GET"])
        router.add_api_route("/{run}/story", self.story, methods=["GET"])
        for change in (self.pause, self.cancel, self.resume):
            path = f"/{{run}}/{change.__name__}"
            router.add_api_route(path, change, methods=["POST"], status_code=202, responses=refusals(403))
        return router

    def every(
        self,
        caller: Signed,
        dataset: Annotated[
            str | None, Query(description="Only runs on this data set.", examples=["covid"])
        ] = None,
        status: Annotated[RunStatus | None, Query(description="Only runs of this status.")] = None,
        cursor: Cursor = "",
        limit: Limit = 50,
    ) -> Page[ListedRunView]:
        """The runs on data sets that you see, newest first."""
        if dataset is not None:
            caller.must_be(Role.VIEWER, dataset)
        datasets = caller.visible() if dataset is None else [dataset]
        before = place_of(cursor, RUN_PLACE)
        found = self._transaction(lambda c: run_lists.page(c, datasets, before, limit, status))
        last = found[-1] if len(found) == limit else None
        return Page(
            items=[
                ListedRunView(
                    id=one.id,
                    dataset=one.dataset,
                    recipe=recipe_name(one.recipe),
                    seed=one.seed,
                    status=one.status,
                    created_at=one.created_at,
                    owner=one.owner,
                    rounds=course.rounds_of(recipes.stored(one.recipe), one.pool),
                    rounds_done=one.rounds_done,
                    dice=one.dice,
                )
                for one in found
            ],
            next=cursor_of((last.created_at, last.id)) if last else "",
        )

    def one(self, run: str, caller: Signed) -> RunRecord:
        """A run, with everything that is known of it."""
        return run_record(self._platform, run_seen(self._platform, caller, run, Role.VIEWER))

    def steps(
        self,
        run: str,
        caller: Signed,
        since: Annotated[
            Moment | None,
            Query(description="Only those of then or later.", examples=["2026-01-31T12:00:00Z"]),
        ] = None,
    ) -> Page[StepView]:
        """The steps that a run has taken, in their order."""
        found = run_seen(self._platform, caller, run, Role.VIEWER)
        taken = self._transaction(lambda c: steps.of_run(c, found.id, since))
        return Page(items=[StepView.model_validate(one, from_attributes=True) for one in taken])

    def story(
        self,
        run: str,
        caller: Signed,
        name: Annotated[
            str, Query(alias="slice", description="Its name or its digest.", examples=["patient_7_031.png"])
        ],
    ) -> StoryView:
        """The story of a slice's masks in a run."""
        return story(self._platform, run_seen(self._platform, caller, run, Role.VIEWER), name)

    def start(self, wanted: NewRun, caller: Signed, once: Repeatable) -> StartedRun:
        """Queue a run."""
        caller.must_be(Role.LEAD, wanted.dataset)
        recipe = recipes.with_settings(recipes.named(wanted.recipe), wanted.settings)

        def start(connection: Connection) -> StartedRun:
            run, new = drive.insert(connection, self._platform, recipe, wanted.dataset, wanted.seed)
            ticket = Ticket(owner=caller.account.name, priority=wanted.priority, workers=wanted.workers)
            tickets.queue(connection, run.id, ticket)
            view = _changed(connection, run, caller, "run.started")
            return StartedRun(new=new, **view.model_dump())

        return once.answer(StartedRun, start)

    def resume(
        self, run: str, caller: Signed, once: Repeatable, going: Annotated[Going, Body(default_factory=Going)]
    ) -> RunView:
        """Queue a run that was stopped, has failed, or was interrupted. What it has done is not done again."""
        found = run_seen(self._platform, caller, run, Role.LEAD)
        ticket = Ticket(owner=caller.account.name, priority=going.priority, workers=going.workers)

        def resume(connection: Connection) -> RunView:
            tickets.queue(connection, found.id, ticket)
            return _changed(connection, found, caller, "run.resumed")

        return once.answer(RunView, resume)

    def pause(self, run: str, caller: Signed, once: Repeatable) -> RunView:
        """Stop a run for now: its driver stops within seconds."""
        return self._stop(run, caller, once, "paused")

    def cancel(self, run: str, caller: Signed, once: Repeatable) -> RunView:
        """Stop a run for good. What it has made stays."""
        return self._stop(run, caller, once, "cancelled")

    def _stop(self, run: str, caller: Caller, once: Once, kind: str) -> RunView:
        found = run_seen(self._platform, caller, run, Role.LEAD)

        def stop(connection: Connection) -> RunView:
            drive.request(connection, found, kind)
            return _changed(connection, found, caller, f"run.{kind}")

        return once.answer(RunView, stop)


def _changed(connection: Connection, run: Run, caller: Caller, action: str) -> RunView:
    """The run after `caller` has changed it, which the audit trail has from now on."""
    view = RunView(
        id=run.id,
        dataset=run.dataset,
        recipe=recipe_name(json.dumps(run.recipe)),
        seed=run.seed,
        status=runs.status(connection, run.id),
        created_at=run.created_at,
    )
    audit.append(connection, caller.act(action, run.id, dataset=run.dataset))
    return view


def run_seen(platform: Platform, caller: Caller, run: str, role: Role) -> Run:
    """The run of that id. Raises UnknownName where the caller does not see its data set, NotAllowed without `role` on it."""
    found = platform.database.transaction(lambda c: runs.by_id(c, run))
    if found is None or caller.role_on(found.dataset) is None:
        raise UnknownName(
            f"there is no run {run[:12]!r}", hint="You see those that `GET /api/v1/runs` lists."
        )
    caller.must_be(role, found.dataset)
    return found
