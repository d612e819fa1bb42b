"""The HTTP application, put together."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from maskloom.platform.bootstrap import Platform
from maskloom.services.api.administration import Administration
from maskloom.services.api.audit_trail import AuditTrail
from maskloom.services.api.bodies import Bodies
from maskloom.services.api.comparisons import Comparisons
from maskloom.services.api.datasets import Datasets
from maskloom.services.api.events import Events
from maskloom.services.api.frame import Frame
from maskloom.services.api.health import Health
from maskloom.services.api.metrics import Metrics
from maskloom.services.api.people import People
from maskloom.services.api.pictures import Pictures
from maskloom.services.api.problems import RESPONSES, answer_with_problems
from maskloom.services.api.runs import Runs
from maskloom.services.api.watching import Watching
from maskloom.services.console.console import Console

PREFIX = "/api/v1"


def create_app(platform: Platform) -> FastAPI:
    """The application. `platform` is used by its threads as long as it serves."""
    app = FastAPI(
        title="maskloom",
        version="1",
        # The pages that FastAPI has for these load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{PREFIX}/openapi.json",
    )
    app.state.platform = platform
    api = APIRouter(prefix=PREFIX, responses=RESPONSES)
    for part in (People, Administration, AuditTrail, Datasets, Pictures, Runs, Watching, Comparisons, Events):
        api.include_router(part(platform).router())
    app.include_router(api)
    app.include_router(Health(platform).router())
    console = Console(platform)
    app.include_router(console.router())
    answer_with_problems(app, console.problem)
    app.add_middleware(Bodies)
    metrics = Metrics(platform)
    app.include_router(metrics.router())
    app.add_middleware(Frame, seen=metrics.seen, prefix=PREFIX)
    return app
