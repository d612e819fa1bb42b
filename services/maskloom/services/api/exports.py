"""Exports of runs: asked for, made by a job, and downloaded from an address that works for minutes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import RedirectResponse, StreamingResponse

from maskloom.platform.account_facts import Role
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import audit, jobs
from maskloom.platform.errors import NothingToDo
from maskloom.platform.job_facts import JobKind, JobState, JobStatus
from maskloom.services.access.signing import SignedPaths
from maskloom.services.api.gate import Signed
from maskloom.services.api.jobs import ask_for, job_seen, new_job, view
from maskloom.services.api.once import Repeatable
from maskloom.services.api.page import Page
from maskloom.services.api.problems import refusals
from maskloom.services.api.runs import run_seen
from maskloom.services.api.transfer_views import JobView, NewExport
from maskloom.services.errors import NotAllowed
from maskloom.services.jobs.outgoing import MEDIA_TYPE, name_of

_PREFIX = "/api/v1/exports"
_NEWEST = 50
_FILE: dict[int | str, dict[str, Any]] = {200: {"content": {MEDIA_TYPE: {}}, "description": "The zip file"}}
_ELSEWHERE: dict[int | str, dict[str, Any]] = {303: {"description": "Where the zip file is, for minutes"}}


class Exports:
    """Answers /runs/RUN/exports, GET /exports/JOB/download and GET /exports/JOB/file."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._transaction = platform.database.transaction

    def router(self) -> APIRouter:
        router = APIRouter(tags=["exports"], responses=refusals(403))
        router.add_api_route("/runs/{run}/exports", self.of_run, methods=["GET"], name="list")
        router.add_api_route(
            "/runs/{run}/exports", self.start, methods=["POST"], status_code=202, name="start"
        )
        router.add_api_route(
            "/exports/{job}/download",
            self.download,
            methods=["GET"],
            status_code=303,
            response_class=RedirectResponse,
            responses=_ELSEWHERE,
        )
        router.add_api_route(
            "/exports/{job}/file",
            self.file,
            methods=["GET"],
            response_class=StreamingResponse,
            responses=_FILE,
        )
        return router

    def of_run(self, run: str, caller: Signed) -> Page[JobView]:
        """The newest exports of a run."""
        found = run_seen(self._platform, caller, run, Role.LEAD)
        exports = self._transaction(lambda c: jobs.of_run(c, found.id, _NEWEST))
        return Page(items=[view(one) for one in exports])

    def start(self, run: str, wanted: NewExport, caller: Signed, once: Repeatable) -> JobView:
        """Have the slices and masks of a run packed, as they are when that is done."""
        found = run_seen(self._platform, caller, run, Role.LEAD)
        job = new_job(caller, JobKind.EXPORT, found.dataset, {"format": wanted.format}, run=found.id)
        return once.answer(JobView, lambda c: ask_for(c, caller, job, run=found.id, format=wanted.format))

    def download(self, job: str, caller: Signed) -> RedirectResponse:
        """Where an export can be read, by whoever has that address, for a few minutes."""
        found = job_seen(self._platform, caller, job)
        state = self._transaction(lambda c: jobs.state(c, found.id))
        digest = _digest(state)
        act = caller.act("export.downloaded", found.id, dataset=found.dataset, run=found.run, sha256=digest)
        self._transaction(lambda c: audit.append(c, act))
        return RedirectResponse(self._signing().signed(f"{_PREFIX}/{job}/file", time.time()), 303)

    def file(
        self,
        job: str,
        expires: Annotated[
            str, Query(max_length=20, description="Until when, as it was signed.", examples=["1790000000"])
        ] = "",
        signature: Annotated[
            str, Query(max_length=100, description="maskloom's own.", examples=["c2lnbmVk"])
        ] = "",
    ) -> StreamingResponse:
        """An export's zip file. The address is what `download` has signed, and lets whoever has it in."""
        if not self._signing().granted(f"{_PREFIX}/{job}/file", expires, signature, time.time()):
            raise NotAllowed(
                "this address has expired, or maskloom did not make it", hint="Download the export again."
            )
        state = self._transaction(lambda c: jobs.state(c, job))
        headers = {
            "Content-Disposition": f'attachment; filename="{name_of(state.job)}.zip"',
            "Content-Length": str(state.outcome["size_bytes"]),
        }
        parts: Iterator[bytes] = self._platform.objects.parts(_digest(state))
        return StreamingResponse(parts, headers=headers, media_type=MEDIA_TYPE)

    def _signing(self) -> SignedPaths:
        return SignedPaths(secret=self._transaction(lambda c: jobs.signing_secret(c, "exports")))


def _digest(state: JobState) -> str:
    if state.job.kind is not JobKind.EXPORT or state.status is not JobStatus.DONE:
        raise NothingToDo("there is nothing to download of this job", hint="Wait until its status is done.")
    return str(state.outcome["digest"])
