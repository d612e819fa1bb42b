"""Jobs: what comes of uploads, imports and exports."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import TypeAdapter
from sqlalchemy import Connection

from maskloom.platform.account_facts import Role
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import audit, jobs
from maskloom.platform.errors import NothingToDo, UnknownName
from maskloom.platform.job_facts import Job, JobKind, JobState
from maskloom.services.access.caller import Caller
from maskloom.services.api.gate import Signed
from maskloom.services.api.moments import Moment
from maskloom.services.api.once import Repeatable
from maskloom.services.api.page import Page
from maskloom.services.api.paging import Cursor, Limit, cursor_of, place_of
from maskloom.services.api.problems import refusals
from maskloom.services.api.transfer_views import JobView

PLACE: TypeAdapter[tuple[datetime, str]] = TypeAdapter(tuple[Moment, str])


class Jobs:
    """Answers below /jobs, and GET /datasets/DATASET/jobs."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._transaction = platform.database.transaction

    def router(self) -> APIRouter:
        router = APIRouter(tags=["jobs"], responses=refusals(403))
        router.add_api_route("/datasets/{dataset}/jobs", self.of_dataset, methods=["GET"], name="list")
        router.add_api_route("/jobs/{job}", self.one, methods=["GET"], name="get")
        router.add_api_route("/jobs/{job}/again", self.again, methods=["POST"], status_code=202)
        return router

    def of_dataset(
        self, dataset: str, caller: Signed, cursor: Cursor = "", limit: Limit = 50
    ) -> Page[JobView]:
        """The uploads, imports and exports of a data set, newest first."""
        caller.must_be(Role.LEAD, dataset)
        before = place_of(cursor, PLACE)
        found = self._transaction(lambda c: jobs.of_dataset(c, dataset, before, limit))
        last = found[-1] if len(found) == limit else None
        return Page(
            items=[view(one) for one in found],
            next=cursor_of((last.asked_at, last.job.id)) if last else "",
        )

    def one(self, job: str, caller: Signed) -> JobView:
        """How a job stands, and what came of it."""
        found = job_seen(self._platform, caller, job)
        return view(self._transaction(lambda c: jobs.state(c, found.id)))

    def again(self, job: str, caller: Signed, once: Repeatable) -> JobView:
        """Ask again for a job that has failed."""
        found = job_seen(self._platform, caller, job)

        def change(connection: Connection) -> JobView:
            if not jobs.ask_again(connection, found.id):
                raise NothingToDo("the job has not failed", hint="Look at it in a while.")
            audit.append(connection, caller.act(f"{found.kind}.asked_again", found.id, dataset=found.dataset))
            return view(jobs.state(connection, found.id))

        return once.answer(JobView, change)


def job_seen(platform: Platform, caller: Caller, job: str) -> Job:
    """The job of that id. Raises UnknownName where the caller does not see its data set, NotAllowed for who is no lead."""
    found = platform.database.transaction(lambda c: jobs.find(c, job))
    if found is None or caller.role_on(found.dataset) is None:
        raise UnknownName(
            f"there is no job {job[:16]!r}", hint="`GET /api/v1/datasets/DATASET/jobs` lists them."
        )
    caller.must_be(Role.LEAD, found.dataset)
    return found


def new_job(
    caller: Caller, kind: JobKind, dataset: str, wanted: dict[str, Any], run: str | None = None
) -> Job:
    """A job in the caller's name."""
    return Job(
        id=secrets.token_hex(8), kind=kind, dataset=dataset, owner=caller.account.name, wanted=wanted, run=run
    )


def ask_for(connection: Connection, caller: Caller, job: Job, **detail: Any) -> JobView:
    """Leave a job to the schedulers. `detail` is for the audit trail: names of folders and files may be of patients."""
    jobs.add(connection, job)
    audit.append(connection, caller.act(f"{job.kind}.asked", job.id, dataset=job.dataset, **detail))
    return view(jobs.state(connection, job.id))


def view(state: JobState) -> JobView:
    """A job as it is shown."""
    return JobView(
        id=state.job.id,
        kind=state.job.kind,
        dataset=state.job.dataset,
        run=state.job.run,
        owner=state.job.owner,
        wanted={name: value for name, value in state.job.wanted.items() if name != "parcel"},
        status=state.status,
        done=state.done,
        total=state.total,
        asked_at=state.asked_at,
        changed_at=state.changed_at,
        outcome=state.outcome,
        error=state.error,
        hint=state.hint,
    )
