"""The HTTP application, put together."""

from __future__ import annotations

from functools import cache

from fastapi import APIRouter, FastAPI

from maskloom.platform.bootstrap import Platform
from maskloom.services.access.throttle import Throttle
from maskloom.services.api.administration import Administration
from maskloom.services.api.audit_trail import AuditTrail
from maskloom.services.api.bodies import Bodies
from maskloom.services.api.comparisons import Comparisons
from maskloom.services.api.datasets import Datasets
from maskloom.services.api.description import ABOUT, TAGS, described, operation_id
from maskloom.services.api.events import Events
from maskloom.services.api.exports import Exports
from maskloom.services.api.frame import Frame
from maskloom.services.api.health import Health
from maskloom.services.api.imports import Imports
from maskloom.services.api.jobs import Jobs
from maskloom.services.api.metrics import Metrics
from maskloom.services.api.models import Models
from maskloom.services.api.own_account import OwnAccount
from maskloom.services.api.people import People
from maskloom.services.api.pictures import Pictures
from maskloom.services.api.problems import answer_with_problems
from maskloom.services.api.provider_sign_in import ProviderSignIn
from maskloom.services.api.readers import Readers
from maskloom.services.api.recipes import Recipes
from maskloom.services.api.reviews import Reviews
from maskloom.services.api.runs import Runs
from maskloom.services.api.uploads import LARGE, Uploads
from maskloom.services.api.watching import Watching
from maskloom.services.console.console import Console

PREFIX = "/api/v1"
_PARTS = (
    Administration,
    AuditTrail,
    Datasets,
    Pictures,
    Uploads,
    Imports,
    Recipes,
    Runs,
    Watching,
    Comparisons,
    Events,
    Reviews,
    Readers,
    Models,
    Exports,
    Jobs,
)


def create_app(platform: Platform) -> FastAPI:
    """The application. `platform` is used by its threads as long as it serves."""
    app = FastAPI(
        title="maskloom",
        version="1",
        # The pages that FastAPI has for these load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{PREFIX}/openapi.json",
        openapi_tags=TAGS,
        generate_unique_id_function=operation_id,
        description=ABOUT,
        # Its own spans have the paths of requests, which name data sets; `frame.py` traces them by their routes.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.platform = platform
    throttle = app.state.throttle = Throttle()
    console = Console(platform)
    api = APIRouter(prefix=PREFIX)
    api.include_router(ProviderSignIn(platform, throttle, console.signed_in).router())
    for guarded in (People, OwnAccount):
        api.include_router(guarded(platform, throttle).router())
    for part in _PARTS:
        api.include_router(part(platform).router())
    app.include_router(api)
    app.include_router(Health(platform).router())
    app.include_router(console.router())
    answer_with_problems(app, console.problem)
    app.add_middleware(Bodies, large=LARGE)
    metrics = Metrics(platform)
    app.include_router(metrics.router())
    app.add_middleware(Frame, seen=metrics.seen, prefix=PREFIX)
    document = app.openapi
    app.openapi = cache(lambda: described(document()))  # type: ignore[method-assign]
    return app
