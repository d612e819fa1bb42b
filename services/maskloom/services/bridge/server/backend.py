"""Label Studio's ML backend protocol: a slice that a reader opens is predicted by the newest network of its run,
or, where MASKLOOM_BRIDGE_NETWORK says so, by the champion of its data set.

The protocol is GET /health, POST /setup, /predict and /webhook below an address of one's own
(https://labelstud.io/guide/ml_create), here /ml/RUN. Of a task only the digest of its slice is believed, so no address in it
is ever followed.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from pydantic import BaseModel, Field, SecretStr, ValidationError
from sqlalchemy import Connection

from maskloom.pipelines.registry.following import champions_run
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import runs, slices
from maskloom.platform.run_facts import Run
from maskloom.services.bridge import keys
from maskloom.services.bridge.label_studio.tasks import region_of
from maskloom.services.bridge.server import bodies

if TYPE_CHECKING:
    from maskloom.pipelines.live import LivePredictor

USER = "maskloom"
_MOST = 16 << 20
_RUN = re.compile(r"[0-9a-f]{12}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_KEPT = 4
"""Runs whose network is kept in memory."""
_AT_ONCE = 4
"""Requests that predict at a time, slice about; others wait without a thread, of which images need some."""
_BASIC = HTTPBasic(realm="maskloom")
Json = dict[str, Any]


class _Task(BaseModel):
    data: Json = {}

    @property
    def slice(self) -> str | None:
        digest = self.data.get("slice")
        return digest if isinstance(digest, str) and _DIGEST.fullmatch(digest) else None


class _Asked(BaseModel):
    tasks: list[_Task] = Field(max_length=1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Model:
    predictor: LivePredictor
    label: str


class Backend:
    """One ML backend for each run. Label Studio logs in as USER with the shared secret; `look` is as for `Webhook`."""

    def __init__(self, platform: Platform, secret: SecretStr, look: Callable[[], None]) -> None:
        self._platform = platform
        self._secret = secret
        self._look = look
        self._models: dict[str, _Model] = {}
        self._changing = threading.Lock()
        self._predicting = CapacityLimiter(_AT_ONCE)

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/ml/{run}", dependencies=[Depends(self._authorise)])
        router.add_api_route("/health", self.health, methods=["GET"])
        router.add_api_route("/setup", self.setup, methods=["POST"])
        router.add_api_route("/predict", self.predict, methods=["POST"])
        router.add_api_route("/webhook", self.webhook, methods=["POST"])
        return router

    async def health(self, run: str) -> Json:
        """Whether the run can be asked; 404 where there is none."""
        await to_thread.run_sync(self._model, run)
        return {"status": "UP", "model_class": f"maskloom {run}"}

    async def setup(self, run: str, request: Request) -> Json:
        """`model_version` of the network that would predict, empty before the first. The token that is sent is dropped."""
        model = await to_thread.run_sync(self._model, run)
        await bodies.read(request, most=_MOST)
        newest = await to_thread.run_sync(model.predictor.newest)
        return {"model_version": newest.version if newest else ""}

    async def predict(self, run: str, request: Request) -> Json:
        """`results`: for each task a prediction, or an empty list, for which Label Studio stores nothing, where there is none.

        An empty prediction in its place would be taken for a mask without lesion.
        """
        model = await to_thread.run_sync(self._model, run)
        body = await bodies.read(request, most=_MOST)
        try:
            asked = _Asked.model_validate_json(body)
        except ValidationError:
            # Not the error's own words: they repeat what was sent.
            raise HTTPException(422, "The request is no JSON object with a list of tasks.") from None
        return {
            "results": await to_thread.run_sync(_results, model, asked.tasks, limiter=self._predicting),
        }

    async def webhook(self, run: str, request: Request) -> Response:
        """204. Whatever it says, among it "train", is a hint to look for new answers: runs train when their rounds do."""
        self._look()
        await bodies.read(request, most=_MOST)
        return Response(status_code=204)

    async def _authorise(self, given: Annotated[HTTPBasicCredentials, Depends(_BASIC)]) -> None:
        if not (given.username == USER) & keys.same(given.password, self._secret):
            raise HTTPException(
                401, "Wrong user or password.", {"WWW-Authenticate": 'Basic realm="maskloom"'}
            )

    def _model(self, run_id: str) -> _Model:
        run = self._platform.database.transaction(lambda connection: self._followed(connection, run_id))
        with self._changing:
            model = self._models.pop(run.id, None) or self._open(run)
            # now the last, so that the first is the one that nobody asked for longest
            self._models[run.id] = model
            while len(self._models) > _KEPT:
                del self._models[next(iter(self._models))]
        return model

    def _followed(self, connection: Connection, run_id: str) -> Run:
        """The run whose network answers for a run: its own, or that of the champion of its data set, where there is one."""
        found = runs.find(connection, run_id) if _RUN.fullmatch(run_id) else []
        if not found:
            raise HTTPException(404, "There is no such run.")
        if self._platform.settings.bridge_network == "run":
            return found[0]
        return champions_run(connection, found[0].dataset) or found[0]

    def _open(self, run: Run) -> _Model:
        # It brings torch, and a bridge whose readers ask for no masks never needs it.
        from maskloom.pipelines.live import LivePredictor  # noqa: PLC0415

        classes = self._platform.database.transaction(lambda c: slices.classes(c, run.dataset))
        return _Model(predictor=LivePredictor(self._platform, run), label=classes[0])


def _results(model: _Model, tasks: Sequence[_Task]) -> list[Json | list[Json]]:
    return [_result(model, task.slice) for task in tasks]


def _result(model: _Model, digest: str | None) -> Json | list[Json]:
    prediction = model.predictor.predict(digest) if digest else None
    if digest is None or prediction is None:
        return []
    return {
        "model_version": prediction.version,
        "score": 1 - prediction.uncertainty,
        "result": [region_of(prediction.mask, model.label, digest[:12])] if prediction.mask.any() else [],
    }
