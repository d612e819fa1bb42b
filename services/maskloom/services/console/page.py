"""What all pages have: their frame, who looks at them, and how a template becomes an answer."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from maskloom.services.access import signing_in
from maskloom.services.access.caller import Caller
from maskloom.services.api.gate import COOKIE, of_browser
from maskloom.services.errors import NotSignedIn
from maskloom.services.records import recipe_name
from maskloom.services.words import count, duration

_MENU = (
    ("/", "Runs", False),
    ("/datasets", "Data sets", False),
    ("/reviews", "Reviews", False),
    ("/models", "Models", False),
    ("/accounts", "Accounts", True),
    ("/audit", "Audit", True),
)
"""Where the bar of every page leads, what it calls it, and whether for admins alone."""


def visitor(request: Request) -> Caller:
    """Who looks at a page. Somebody who has not signed in is shown where to."""
    try:
        return of_browser(request)
    except NotSignedIn:
        asked = quote(request.url.path)
        raise HTTPException(303, "sign in first", {"Location": f"/sign-in?next={asked}"}) from None


Visitor = Annotated[Caller, Depends(visitor)]


def page_router() -> APIRouter:
    """A router for pages, which the description of the API leaves out."""
    return APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


def host_of(url: str) -> str:
    """The name of the machine that an address leads to, by which people know it."""
    return urlsplit(url).hostname or url


class Pages:
    """Makes pages of templates."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=PackageLoader("maskloom.services.console"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {
            "duration": duration,
            "count": count,
            "recipe": recipe_name,
            "host": host_of,
        }
        self._templates.globals["plotly_version"] = version("plotly")

    def show(
        self, name: str, request: Request | None = None, visitor: Caller | None = None, **content: Any
    ) -> HTMLResponse:
        """The page of the template `name`. Without a visitor it has no bar, and can change nothing."""
        page = self._templates.get_template(name).render(
            visitor=visitor,
            csrf=signing_in.csrf_token(request.cookies.get(COOKIE, "")) if request else "",
            path=request.url.path if request else "",
            menu=[entry for entry in _MENU if not entry[-1] or (visitor and visitor.is_admin)],
            **content,
        )
        return HTMLResponse(page)
