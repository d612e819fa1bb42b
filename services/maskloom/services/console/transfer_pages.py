"""Pages of data that comes in and goes out: uploads, imports, what was set aside of them, and exports."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from maskloom.platform.account_facts import Role
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import jobs, slices
from maskloom.platform.facts import Split
from maskloom.platform.job_facts import JobState, JobStatus
from maskloom.services.api.runs import run_seen
from maskloom.services.api.transfer_views import ExportFormat
from maskloom.services.console.page import Pages, Visitor, page_router

_NEWEST = 25
_MOST_SET_ASIDE = 500
_AT_WORK = {JobStatus.QUEUED, JobStatus.RUNNING}


class TransferPages:
    """Shows what comes in and goes out."""

    def __init__(self, platform: Platform, pages: Pages) -> None:
        self._platform = platform
        self._pages = pages

    def router(self) -> APIRouter:
        router = page_router()
        router.add_api_route("/datasets/{dataset}/intake", self.intake, methods=["GET"])
        router.add_api_route("/datasets/{dataset}/set-aside", self.set_aside, methods=["GET"])
        router.add_api_route("/runs/{run}/exports", self.exports, methods=["GET"])
        return router

    def intake(self, request: Request, dataset: str, visitor: Visitor) -> HTMLResponse:
        """Where leads bring slices in, and see what came of it."""
        visitor.must_be(Role.LEAD, dataset)

        def look(connection: Connection) -> tuple[list[JobState], int]:
            asked = jobs.of_dataset(connection, dataset, None, _NEWEST)
            _, aside = slices.newest_quarantined(connection, dataset, 0)
            return asked, aside

        asked, aside = self._platform.database.transaction(look)
        return self._pages.show(
            "intake.html.j2",
            request,
            visitor,
            dataset=dataset,
            splits=list(Split),
            jobs=asked,
            at_work=_some_at_work(asked),
            set_aside=aside,
            sources=list(self._platform.settings.sources),
            most=int(self._platform.settings.upload_size),
            size=_size,
        )

    def set_aside(self, request: Request, dataset: str, visitor: Visitor) -> HTMLResponse:
        """The files that were set aside, newest first, and why."""
        visitor.must_be(Role.LEAD, dataset)
        files, number = self._platform.database.transaction(
            lambda c: slices.newest_quarantined(c, dataset, _MOST_SET_ASIDE)
        )
        return self._pages.show(
            "set_aside.html.j2",
            request,
            visitor,
            dataset=dataset,
            files=files,
            number=number,
        )

    def exports(self, request: Request, run: str, visitor: Visitor) -> HTMLResponse:
        """The exports of a run: a part of its page."""
        found = run_seen(self._platform, visitor, run, Role.LEAD)
        asked = self._platform.database.transaction(lambda c: jobs.of_run(c, found.id, _NEWEST))
        return self._pages.show(
            "exports.html.j2",
            request,
            visitor,
            run=found.id,
            jobs=asked,
            at_work=_some_at_work(asked),
            formats=list(ExportFormat),
            size=_size,
        )


def _some_at_work(asked: list[JobState]) -> bool:
    return any(one.status in _AT_WORK for one in asked)


def _size(size_bytes: int) -> str:
    """Such as `3.4 MiB`."""
    value, units = float(size_bytes), ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while value >= 1000 and len(units) > 1:
        value /= 1024
        units.pop(0)
    return f"{value:.0f} bytes" if units[0] == "bytes" else f"{value:.1f} {units[0]}"
