"""Runs: started, stopped and looked at."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from pydantic import BaseModel, Field, TypeAdapter
from sqlalchemy import Connection

from maskloom.pipelines import course, drive, recipes
from maskloom.platform.account_facts import Role
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import audit, runs, steps, tickets
from maskloom.platform.errors import UnknownName
from maskloom.platform.run_facts import Priority, Run, RunStatus, Ticket
from maskloom.services.access.caller import Caller
from maskloom.services.api.gate import Signed
from maskloom.services.api.paging import Cursor, Limit, Page, cursor_of, place_of
from maskloom.services.records import recipe_name, run_record

RUN_PLACE: TypeAdapter[tuple[datetime, str]] = TypeAdapter(tuple[datetime, str])


class NewRun(BaseModel):
    """What to run. The same recipe, data and seed are the same run: to ask for it again goes on with it."""

    dataset: str = Field(examples=["covid"])
    recipe: str = Field("semi-inf-net", examples=["semi-inf-net"])
    settings: list[str] = Field([], max_length=100, examples=[["sampling.group_size=10"]])
    seed: int = Field(0, ge=0, lt=2**63)
    priority: Priority = Priority.NORMAL
    workers: int = Field(1, ge=1, le=1024, description="How many trainers and labellers.")


class Going(BaseModel):
    """How a run is to go on."""

    priority: Priority = Priority.NORMAL
    workers: int = Field(1, ge=1, le=1024)


class RunView(BaseModel):
    """A run, in short."""

    id: str = Field(examples=["3f9c2a71b0de"])
    dataset: str
    recipe: str = Field(examples=["semi-inf-net with sampling.group_size=10"])
    seed: int
    status: RunStatus
    created_at: datetime


class ListedRunView(RunView):
    """A run in the list of all. `owner` is who queued it last; `dice` has value, low and high, on the test split."""

    owner: str | None = Field(examples=["lea"])
    rounds: int
    rounds_done: int
    dice: dict[str, float] | None = Field(examples=[{"value": 0.78, "low": 0.71, "high": 0.83}])


class StepView(BaseModel):
    """A step that a run has taken."""

    key: str
    kind: str
    round: int | None
    seconds: float
    committed_at: datetime
    output: Any


class Runs:
    """Answers below /runs."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._transaction = platform.database.transaction

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/runs", tags=["runs"])
        router.add_api_route("", self.every, methods=["GET"])
        router.add_api_route("", self.start, methods=["POST"], status_code=202)
        router.add_api_route("/{run}", self.one, methods=["GET"])
        router.add_api_route("/{run}/steps", self.steps, methods=["GET"])
        router.add_api_route("/{run}/pause", self.pause, methods=["POST"], status_code=202)
        router.add_api_route("/{run}/cancel", self.cancel, methods=["POST"], status_code=202)
        router.add_api_route("/{run}/resume", self.resume, methods=["POST"], status_code=202)
        return router

    def every(
        self,
        caller: Signed,
        dataset: Annotated[str | None, Query(description="Only runs on this data set.")] = None,
        status: Annotated[RunStatus | None, Query(description="Only runs of this status.")] = None,
        cursor: Cursor = "",
        limit: Limit = 50,
    ) -> Page[ListedRunView]:
        """The runs on data sets that you see, newest first."""
        if dataset is not None:
            caller.must_be(Role.VIEWER, dataset)
        datasets = caller.visible() if dataset is None else [dataset]
        before = place_of(cursor, RUN_PLACE)
        found = self._transaction(lambda c: runs.page(c, datasets, before, limit, status))
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
                    rounds=course.rounds_of(one.recipe, one.pool),
                    rounds_done=one.rounds_done,
                    dice=one.dice,
                )
                for one in found
            ],
            next=cursor_of((last.created_at, last.id)) if last else "",
        )

    def one(self, run: str, caller: Signed) -> dict[str, Any]:
        """Everything that is known of a run, as `maskloom show RUN --json` says it."""
        return run_record(self._platform, run_seen(self._platform, caller, run, Role.VIEWER))

    def steps(self, run: str, caller: Signed) -> Page[StepView]:
        """The steps that a run has taken, in their order."""
        found = run_seen(self._platform, caller, run, Role.VIEWER)
        taken = self._transaction(lambda c: steps.of_run(c, found.id))
        return Page(items=[StepView.model_validate(one, from_attributes=True) for one in taken])

    def start(self, wanted: NewRun, caller: Signed) -> RunView:
        """Queue a run."""
        caller.must_be(Role.LEAD, wanted.dataset)
        recipe = recipes.with_settings(recipes.named(wanted.recipe), wanted.settings)
        run, _ = drive.create(self._platform, recipe, wanted.dataset, wanted.seed)
        return self._queue(run, caller, wanted.priority, wanted.workers, "run.started")

    def resume(
        self, run: str, caller: Signed, going: Annotated[Going, Body(default_factory=Going)]
    ) -> RunView:
        """Queue a run that was stopped, has failed, or was interrupted. What it has done is not done again."""
        found = run_seen(self._platform, caller, run, Role.LEAD)
        return self._queue(found, caller, going.priority, going.workers, "run.resumed")

    def pause(self, run: str, caller: Signed) -> RunView:
        """Stop a run for now: its driver stops within seconds."""
        return self._stop(run, caller, "paused")

    def cancel(self, run: str, caller: Signed) -> RunView:
        """Stop a run for good. What it has made stays."""
        return self._stop(run, caller, "cancelled")

    def _stop(self, prefix: str, caller: Caller, kind: str) -> RunView:
        run = run_seen(self._platform, caller, prefix, Role.LEAD)
        return self._change(run, caller, f"run.{kind}", lambda c: drive.request(c, run, kind))

    def _queue(self, run: Run, caller: Caller, priority: Priority, workers: int, action: str) -> RunView:
        ticket = Ticket(owner=caller.account.name, priority=priority, workers=workers)
        return self._change(run, caller, action, lambda c: tickets.queue(c, run.id, ticket))

    def _change(
        self, run: Run, caller: Caller, action: str, change: Callable[[Connection], object]
    ) -> RunView:
        def do(connection: Connection) -> RunStatus:
            change(connection)
            status = runs.status(connection, run.id)
            audit.append(connection, caller.act(action, run.id, dataset=run.dataset))
            return status

        return RunView(
            id=run.id,
            dataset=run.dataset,
            recipe=recipe_name(run.recipe),
            seed=run.seed,
            status=self._transaction(do),
            created_at=run.created_at,
        )


def run_seen(platform: Platform, caller: Caller, run: str, role: Role) -> Run:
    """The run of that id. Raises UnknownName where the caller does not see its data set, NotAllowed without `role` on it."""
    found = platform.database.transaction(lambda c: runs.find(c, run)) if run else []
    if len(found) != 1 or found[0].id != run or caller.role_on(found[0].dataset) is None:
        raise UnknownName(
            f"there is no run {run[:12]!r}", hint="You see those that `GET /api/v1/runs` lists."
        )
    caller.must_be(role, found[0].dataset)
    return found[0]
