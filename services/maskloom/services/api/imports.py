"""Imports from places that the administrator allowed: callers name them by a label, never by an address."""

from __future__ import annotations

from fastapi import APIRouter

from maskloom.platform.account_facts import Role
from maskloom.platform.bootstrap import Platform
from maskloom.platform.errors import UnknownName
from maskloom.platform.job_facts import JobKind
from maskloom.platform.objects.sources import folder_below
from maskloom.services.api.gate import Signed
from maskloom.services.api.jobs import ask_for, new_job
from maskloom.services.api.once import Repeatable
from maskloom.services.api.page import Page
from maskloom.services.api.problems import refusals
from maskloom.services.api.transfer_views import JobView, NewImport, SourceView
from maskloom.services.api.uploads import check_masks


class Imports:
    """Answers GET /datasets/DATASET/import-sources and POST /datasets/DATASET/imports."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/datasets/{dataset}", tags=["imports"], responses=refusals(403))
        router.add_api_route("/import-sources", self.sources, methods=["GET"])
        router.add_api_route("/imports", self.start, methods=["POST"], status_code=202, name="start")
        return router

    def sources(self, dataset: str, caller: Signed) -> Page[SourceView]:
        """The places from which you may import."""
        caller.must_be(Role.LEAD, dataset)
        return Page(items=[SourceView(label=label) for label in self._platform.settings.sources])

    def start(self, dataset: str, wanted: NewImport, caller: Signed, once: Repeatable) -> JobView:
        """Take in what lies in a bucket that the administrator allowed."""
        caller.must_be(Role.LEAD, dataset)
        url = self._platform.settings.sources.get(wanted.source)
        if url is None:
            raise UnknownName(
                f"there is no source {wanted.source!r}",
                hint="Take one of `GET /api/v1/datasets/DATASET/import-sources`; admins set them.",
            )
        for folder in (wanted.folder, wanted.masks or ""):
            folder_below(url, folder)
        check_masks(wanted.split, given=wanted.masks is not None)
        job = new_job(caller, JobKind.IMPORT, dataset, wanted.model_dump())
        return once.answer(
            JobView, lambda c: ask_for(c, caller, job, source=wanted.source, split=wanted.split)
        )
