"""The pages, and who may see them."""

from __future__ import annotations

from importlib.resources import files
from mimetypes import guess_type
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy import Connection

from maskloom.platform.account_facts import Role
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import labels, runs, slices
from maskloom.platform.facts import LabelVersion, Slice, Split
from maskloom.services.access import signing_in
from maskloom.services.access.caller import Caller
from maskloom.services.access.signing_in import NotSignedIn
from maskloom.services.api.datasets import SLICE_PLACE, place_of_slice, slice_seen
from maskloom.services.api.gate import COOKIE, of_browser
from maskloom.services.api.paging import Cursor, cursor_of, place_of
from maskloom.services.api.problems import Problem
from maskloom.services.api.runs import run_seen
from maskloom.services.console.story import story_of
from maskloom.services.records import recipe_name, run_record
from maskloom.services.words import count, duration

_HERE = files("maskloom.services.console") / "static"
_FILES = {
    # Nothing is loaded from elsewhere: this package has carried the script to us.
    "htmx.js": files("django_htmx") / "static" / "django_htmx" / "htmx-2.min.js",
    **{name: _HERE / name for name in ("console.css", "console.js", "slices.js", "mark.svg")},
}
_FRESH = {"Cache-Control": "public, max-age=300"}
_MOST_RUNS = 50
_GALLERY = 60


def visitor(request: Request) -> Caller:
    """Who looks at a page. Somebody who has not signed in is shown where to."""
    try:
        return of_browser(request)
    except NotSignedIn:
        asked = quote(request.url.path)
        raise HTTPException(303, "sign in first", {"Location": f"/sign-in?next={asked}"}) from None


Visitor = Annotated[Caller, Depends(visitor)]


class Console:
    """Answers with pages."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._templates = Environment(
            loader=PackageLoader("maskloom.services.console"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {"duration": duration, "count": count, "recipe": recipe_name}

    def router(self) -> APIRouter:
        router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
        router.add_api_route("/welcome", self.welcome, methods=["GET"])
        router.add_api_route("/sign-in", self.sign_in, methods=["GET"])
        router.add_api_route("/", self.runs, methods=["GET"])
        router.add_api_route("/runs/{run}", self.run, methods=["GET"])
        router.add_api_route("/datasets", self.datasets, methods=["GET"])
        router.add_api_route("/datasets/{dataset}", self.gallery, methods=["GET"])
        router.add_api_route("/datasets/{dataset}/slices/{digest}", self.slice, methods=["GET"])
        router.add_api_route("/static/{name}", self.file, methods=["GET"])
        return router

    def welcome(self) -> HTMLResponse:
        """Where an invitation's link leads: what makes it one is after its #, which only the page's script sees."""
        return self._page("welcome.html.j2")

    def sign_in(self) -> HTMLResponse:
        """Where people sign in."""
        return self._page("sign_in.html.j2")

    def runs(self, request: Request, visitor: Visitor) -> HTMLResponse:
        """The newest runs."""
        found = self._platform.database.transaction(
            lambda c: runs.page(c, visitor.visible(), None, _MOST_RUNS)
        )
        return self._page("runs.html.j2", request, visitor, runs=found)

    def run(self, request: Request, run: str, visitor: Visitor) -> HTMLResponse:
        """A run: how far it is, what it has done, and how good its network is."""
        found = run_seen(self._platform, visitor, run, Role.VIEWER)
        return self._page(
            "run.html.j2",
            request,
            visitor,
            run=run_record(self._platform, found),
            story=story_of(self._platform, found),
            may_change=visitor.role_on(found.dataset) in {Role.LEAD, Role.ADMIN},
        )

    def datasets(self, request: Request, visitor: Visitor) -> HTMLResponse:
        """The data sets."""
        counts = self._platform.database.transaction(
            lambda c: {name: slices.counts(c, name) for name in visitor.visible()}
        )
        return self._page("datasets.html.j2", request, visitor, counts=counts, role_on=visitor.role_on)

    def gallery(
        self,
        request: Request,
        dataset: str,
        visitor: Visitor,
        split: Split = Split.LABELLED,
        cursor: Cursor = "",
    ) -> HTMLResponse:
        """The slices of a data set with the masks that count, a split at a time."""
        visitor.must_be(Role.VIEWER, dataset)
        after = place_of(cursor, SLICE_PLACE)

        def look(connection: Connection) -> tuple[list[Slice], dict[str, LabelVersion], dict[Split, int]]:
            found = slices.page(connection, dataset, split, after, _GALLERY)
            drawn = labels.strongest(connection, dataset, [one.digest for one in found])
            return found, drawn, slices.counts(connection, dataset)

        found, drawn, counts = self._platform.database.transaction(look)
        return self._page(
            "gallery.html.j2",
            request,
            visitor,
            dataset=dataset,
            split=split,
            counts=counts,
            slices=found,
            labels=drawn,
            first=not cursor,
            next=cursor_of(place_of_slice(found[-1])) if len(found) == _GALLERY else "",
        )

    def slice(self, request: Request, dataset: str, digest: str, visitor: Visitor) -> HTMLResponse:
        """A slice with every mask that it ever had."""
        found = slice_seen(self._platform, visitor, dataset, digest)

        def look(connection: Connection) -> tuple[list[LabelVersion], tuple[str | None, str | None]]:
            return labels.of_slice(connection, dataset, digest), slices.neighbours(connection, found)

        history, (before, after) = self._platform.database.transaction(look)
        history.sort(key=lambda label: label.kind.precedence)  # the one that counts is the last
        return self._page(
            "slice.html.j2", request, visitor, slice=found, history=history[::-1], before=before, after=after
        )

    def problem(self, problem: Problem) -> HTMLResponse:
        """What is shown in place of a page that cannot be."""
        page = self._page("problem.html.j2", problem=problem)
        page.status_code = problem.status
        return page

    def file(self, name: str) -> Response:
        """A script, a style or a picture that pages have."""
        if name not in _FILES:
            raise HTTPException(404, "there is no such file")
        return Response(_FILES[name].read_bytes(), headers=_FRESH, media_type=guess_type(name)[0])

    def _page(
        self, name: str, request: Request | None = None, visitor: Caller | None = None, **content: Any
    ) -> HTMLResponse:
        csrf = signing_in.csrf_token(request.cookies.get(COOKIE, "")) if request else ""
        path = request.url.path if request else ""
        page = self._templates.get_template(name).render(visitor=visitor, csrf=csrf, path=path, **content)
        return HTMLResponse(page)
