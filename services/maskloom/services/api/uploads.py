"""Uploads: files of any number and size, that go to the disk as they come."""

from __future__ import annotations

import re
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Header, Query, Request
from starlette.requests import ClientDisconnect

from maskloom.platform.account_facts import Role
from maskloom.platform.bootstrap import Platform
from maskloom.platform.errors import SettingsError
from maskloom.platform.facts import Split
from maskloom.platform.job_facts import JobKind
from maskloom.services.access.caller import Caller
from maskloom.services.api.gate import Signed
from maskloom.services.api.jobs import ask_for, new_job
from maskloom.services.api.problems import refusals
from maskloom.services.api.transfer_views import JobView
from maskloom.services.intake import parcel
from maskloom.services.intake.limits import Budget
from maskloom.services.intake.multipart import Part, receive
from maskloom.services.intake.spool import spool

LARGE = re.compile(r"/api/v1/datasets/[^/]+/uploads")
"""Paths of requests whose bodies are read by who answers them, once it is known that they may send one."""
_FILES = {"type": "array", "items": {"type": "string", "format": "binary"}}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"images": _FILES, "masks": _FILES},
                    "required": ["images"],
                },
                "encoding": {"images": {"contentType": "image/png, image/jpeg, application/zip"}},
            }
        },
    }
}
_SLOW: dict[int | str, dict[str, Any]] = {408: {"description": "The body came too slowly"}}


class Uploads:
    """Answers POST /datasets/DATASET/uploads."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/datasets/{dataset}", tags=["uploads"], responses=refusals(403))
        router.add_api_route(
            "/uploads",
            self.take,
            methods=["POST"],
            status_code=202,
            openapi_extra=_BODY,
            responses=_SLOW,
            name="send",
        )
        return router

    async def take(
        self,
        request: Request,
        dataset: str,
        caller: Signed,
        split: Annotated[Split, Query(description="What the slices are for.")],
        content_type: Annotated[str, Header(include_in_schema=False)] = "",
    ) -> JobView:
        """Send slices. Those of the splits labelled and test come with the masks that experts drew.

        A mask has the name of its slice. Zip files are unpacked; one that is sent as `images` may have folders `images` and
        `masks`. Nothing is taken in of a request that does not come whole.
        """
        caller.must_be(Role.LEAD, dataset)
        settings = self._platform.settings
        with spool(settings.home) as folder:
            budget = Budget(settings=settings, folder=folder)
            budget.expect(int(request.headers.get("content-length", "0")))
            try:
                parts = await receive(content_type, request.stream(), budget)
            except ClientDisconnect:
                raise SettingsError("the sender has gone away", hint="Send it again.") from None
            unpacked = Budget(settings=settings, folder=folder)
            return await to_thread.run_sync(self._ask, caller, dataset, split, parts, unpacked)

    def _ask(self, caller: Caller, dataset: str, split: Split, parts: list[Part], budget: Budget) -> JobView:
        sent = parcel.pack(self._platform, parts, budget)
        if not sent.images and not sent.masks and not sent.set_aside:
            raise SettingsError("the request brings no files", hint="Choose at least one slice.")
        check_masks(split, given=bool(sent.masks))
        files = len(sent.images) + len(sent.masks) + len(sent.set_aside)
        wanted = {"split": split, "files": files, "parcel": parcel.store(self._platform, sent)}
        job = new_job(caller, JobKind.UPLOAD, dataset, wanted)
        return self._platform.database.transaction(
            lambda c: ask_for(c, caller, job, split=split, files=files)
        )


def check_masks(split: Split, *, given: bool) -> None:
    """Raise SettingsError for masks where there can be none, and for none where they are needed."""
    if given == (split is Split.UNLABELLED):
        raise SettingsError(
            f"slices of the split {split} {'take no masks' if given else 'need masks'}",
            hint="Give masks with labelled and test slices, and only with those.",
        )
