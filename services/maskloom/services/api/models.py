"""The model registry: networks with names, and which of them is the champion of a data set."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body
from sqlalchemy import Connection

from maskloom.pipelines.registry import promoting
from maskloom.pipelines.registry.comparing import Contender, contender, contenders
from maskloom.platform.account_facts import Role
from maskloom.platform.audit_facts import Act
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import registry
from maskloom.platform.errors import SettingsError
from maskloom.platform.model_facts import Promotion
from maskloom.services.access.caller import Caller
from maskloom.services.api.gate import Signed
from maskloom.services.api.model_views import (
    Deciding,
    DifferenceView,
    ModelView,
    NewModel,
    PromotionView,
)
from maskloom.services.api.once import Repeatable
from maskloom.services.api.page import Page
from maskloom.services.api.problems import refusals
from maskloom.services.api.runs import run_seen
from maskloom.services.model_records import model_record


class Models:
    """Answers below /datasets/{dataset}/models, and /datasets/{dataset}/promotions."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._transaction = platform.database.transaction

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/datasets/{dataset}", tags=["models"], responses=refusals(403, 404, 409))
        router.add_api_route("/models", self.every, methods=["GET"], name="list")
        router.add_api_route("/models", self.register, methods=["POST"], status_code=201)
        router.add_api_route("/models/{model}", self.one, methods=["GET"], name="get")
        router.add_api_route("/models/{model}/promote", self.promote, methods=["POST"])
        router.add_api_route("/models/{model}/rollback", self.rollback, methods=["POST"])
        router.add_api_route("/models/{model}/archive", self.archive, methods=["POST"])
        router.add_api_route("/promotions", self.promotions, methods=["GET"])
        return router

    def every(self, dataset: str, caller: Signed) -> Page[ModelView]:
        """The models of a data set, newest first."""
        caller.must_be(Role.VIEWER, dataset)
        return Page(items=[_view(one) for one in contenders(self._platform, dataset)])

    def one(self, dataset: str, model: str, caller: Signed) -> ModelView:
        """A model."""
        caller.must_be(Role.VIEWER, dataset)
        return self._transaction(lambda c: self._seen(c, dataset, model))

    def promotions(self, dataset: str, caller: Signed) -> Page[PromotionView]:
        """Every promotion, oldest first, with what it rests on."""
        caller.must_be(Role.VIEWER, dataset)
        found = self._transaction(lambda c: registry.promotions(c, dataset))
        return Page(items=[_promotion(one) for one in found])

    def register(self, dataset: str, wanted: NewModel, caller: Signed, once: Repeatable) -> ModelView:
        """Give the final network of a finished run a name: it is a candidate from now on."""
        act = self._act("model.registered", dataset, wanted.name, caller)
        run = run_seen(self._platform, caller, wanted.run, Role.LEAD)
        if run.dataset != dataset:
            raise SettingsError(
                f"run {run.id} is on data set {run.dataset!r}",
                hint="A network is a model of its run's data set.",
            )

        def register(connection: Connection) -> ModelView:
            promoting.register(connection, run, wanted.name, act)
            return self._seen(connection, dataset, wanted.name)

        return once.answer(ModelView, register)

    def promote(
        self,
        dataset: str,
        model: str,
        caller: Signed,
        once: Repeatable,
        deciding: Annotated[Deciding, Body(default_factory=Deciding)],
    ) -> ModelView:
        """Make a model the champion. It is better by the paired bootstrap, or you give a reason.

        The champion before it is archived.
        """
        act = self._act("model.promoted", dataset, model, caller)

        def promote(connection: Connection) -> ModelView:
            objects = self._platform.objects
            now = promoting.promote(connection, objects, dataset, model, act, deciding.reason)
            return self._seen(connection, dataset, now.name)

        return once.answer(ModelView, promote)

    def rollback(
        self,
        dataset: str,
        model: str,
        caller: Signed,
        once: Repeatable,
        deciding: Annotated[Deciding, Body(default_factory=Deciding)],
    ) -> ModelView:
        """Give a champion up for the one before it, which is answered with."""
        act = self._act("model.rolled_back", dataset, model, caller)

        def roll_back(connection: Connection) -> ModelView:
            now = promoting.rollback(connection, dataset, model, act, deciding.reason)
            return self._seen(connection, dataset, now.name)

        return once.answer(ModelView, roll_back)

    def archive(self, dataset: str, model: str, caller: Signed, once: Repeatable) -> ModelView:
        """Put a model aside that is not the champion. To register it again makes it a candidate again."""
        act = self._act("model.archived", dataset, model, caller)

        def archive(connection: Connection) -> ModelView:
            promoting.archive(connection, dataset, model, act)
            return self._seen(connection, dataset, model)

        return once.answer(ModelView, archive)

    def _act(self, action: str, dataset: str, model: str, caller: Caller) -> Act:
        caller.must_be(Role.LEAD, dataset)
        return caller.act(action, model, dataset=dataset)

    def _seen(self, connection: Connection, dataset: str, model: str) -> ModelView:
        return _view(contender(connection, self._platform.objects, dataset, model))


def _view(one: Contender) -> ModelView:
    return ModelView.model_validate(model_record(one))


def _promotion(one: Promotion) -> PromotionView:
    evidence = one.evidence
    comparison = evidence.comparison
    return PromotionView(
        number=one.number,
        model=one.model,
        before=evidence.before,
        grounds=evidence.grounds,
        reason=evidence.reason,
        evaluation=evidence.evaluation,
        evaluation_before=evidence.evaluation_before,
        slices=comparison["slices"] if comparison else None,
        differences=_differences(comparison["differences"]) if comparison else None,
        who=one.who,
        at=one.at,
    )


def _differences(found: dict[str, dict[str, float]]) -> dict[str, DifferenceView]:
    return {name: DifferenceView(**difference) for name, difference in found.items()}
