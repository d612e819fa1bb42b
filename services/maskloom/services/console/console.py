"""All pages, put together: one module for each kind of thing that they show."""

from __future__ import annotations

import gzip
from functools import cache
from importlib.resources import files
from mimetypes import guess_type
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, Response

from maskloom.platform.bootstrap import Platform
from maskloom.services.api.views import Problem
from maskloom.services.console.account_pages import AccountPages
from maskloom.services.console.audit_pages import AuditPages
from maskloom.services.console.compare_pages import ComparePages
from maskloom.services.console.dataset_pages import DatasetPages
from maskloom.services.console.model_pages import ModelPages
from maskloom.services.console.new_run_page import NewRunPage
from maskloom.services.console.own_pages import OwnPages
from maskloom.services.console.page import Pages, host_of, page_router
from maskloom.services.console.review_pages import ReviewPages
from maskloom.services.console.run_pages import RunPages
from maskloom.services.console.transfer_pages import TransferPages

_FILES = {
    # Nothing is loaded from elsewhere: these packages have carried the scripts to us.
    "htmx.js": files("django_htmx") / "static" / "django_htmx" / "htmx-2.min.js",
    "plotly.js": files("plotly") / "package_data" / "plotly.min.js",
    **{file.name: file for file in (files("maskloom.services.console") / "static").iterdir()},
}
_FRESH = {"Cache-Control": "public, max-age=300"}
_KEPT = {"Cache-Control": "public, max-age=31536000, immutable"}
"""Of files whose address names their version."""
_WORTH_PACKING = 100_000


_PARTS = (
    NewRunPage,  # before the others: its page is at the address of a run called "new"
    RunPages,
    ComparePages,
    DatasetPages,
    TransferPages,
    ReviewPages,
    ModelPages,
    AccountPages,
    AuditPages,
    OwnPages,
)


class Console:
    """Answers with pages."""

    def __init__(self, platform: Platform) -> None:
        self._pages = Pages()
        issuer = platform.settings.oidc_issuer
        self._provider = host_of(issuer) if issuer else None
        self._parts = [part(platform, self._pages) for part in _PARTS]

    def router(self) -> APIRouter:
        router = page_router()
        router.add_api_route("/welcome", self.welcome, methods=["GET"])
        router.add_api_route("/sign-in", self.sign_in, methods=["GET"])
        router.add_api_route("/static/{name}", self.file, methods=["GET"])
        for part in self._parts:
            router.include_router(part.router())
        return router

    def welcome(self) -> HTMLResponse:
        """Where an invitation's link leads: what makes it one is after its #, which only the page's script sees."""
        return self._pages.show("welcome.html.j2")

    def sign_in(self, next_page: Annotated[str, Query(alias="next")] = "/") -> HTMLResponse:
        """Where people sign in."""
        return self._pages.show("sign_in.html.j2", provider=self._provider, next_page=next_page)

    def signed_in(self, next_page: str) -> HTMLResponse:
        """What leads somebody on to `next_page` who comes back from where they have signed in."""
        return self._pages.show("signed_in.html.j2", next_page=next_page)

    def problem(self, problem: Problem) -> HTMLResponse:
        """What is shown in place of a page that cannot be."""
        page = self._pages.show("problem.html.j2", problem=problem)
        page.status_code = problem.status
        return page

    def file(self, name: str, request: Request) -> Response:
        """A script, a style or a picture that pages have."""
        if name not in _FILES:
            raise HTTPException(404, "there is no such file")
        content, headers = _FILES[name].read_bytes(), dict(_KEPT if request.url.query else _FRESH)
        if len(content) > _WORTH_PACKING:
            headers["Vary"] = "Accept-Encoding"
            if "gzip" in request.headers.get("accept-encoding", ""):
                content, headers["Content-Encoding"] = _packed(name), "gzip"
        return Response(content, headers=headers, media_type=guess_type(name)[0])


@cache
def _packed(name: str) -> bytes:
    return gzip.compress(_FILES[name].read_bytes())
