"""How a run goes: its rounds, trainings, networks, figures and gates. Lists grow at their end while it goes on."""

from __future__ import annotations

from collections import OrderedDict
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field, TypeAdapter

from maskloom.pipelines import course
from maskloom.pipelines.course import GateScores, RoundCourse, Training
from maskloom.platform.account_facts import Role
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import runs, steps
from maskloom.platform.facts import Split
from maskloom.platform.run_facts import Run
from maskloom.services.api.course_views import CheckpointView, CurveView, EvaluationView, GatesView, RoundView
from maskloom.services.api.gate import Signed
from maskloom.services.api.page import Page
from maskloom.services.api.paging import Cursor, Limit, cursor_of, place_of
from maskloom.services.api.runs import run_seen

_NUMBER: TypeAdapter[int] = TypeAdapter(Annotated[int, Field(ge=0, lt=2**30)])
_REMEMBERED = 200
_BARS = 40


class Watching:
    """Answers GET /runs/RUN/rounds, /checkpoints, /evaluations, /curves and /gates."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._transaction = platform.database.transaction
        self._scores: OrderedDict[str, GateScores] = OrderedDict()
        """What gates of runs have seen, so that only what is new is counted."""

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/runs/{run}", tags=["runs"])
        router.add_api_route("/rounds", self.rounds, methods=["GET"])
        router.add_api_route("/checkpoints", self.checkpoints, methods=["GET"])
        router.add_api_route("/evaluations", self.evaluations, methods=["GET"])
        router.add_api_route("/curves", self.curves, methods=["GET"])
        router.add_api_route("/gates", self.gates, methods=["GET"])
        return router

    def rounds(self, run: str, caller: Signed, cursor: Cursor = "", limit: Limit = 100) -> Page[RoundView]:
        """The rounds that a run has come to, in their order."""
        found, after = self._seen(run, caller), place_of(cursor, _NUMBER) or 0
        told = self._transaction(lambda c: course.rounds(c, found, after, limit))
        return Page(
            items=[_round(one) for one in told],
            next=cursor_of(told[-1].number) if len(told) == limit else "",
        )

    def checkpoints(
        self, run: str, caller: Signed, cursor: Cursor = "", limit: Limit = 100
    ) -> Page[CheckpointView]:
        """The networks that a run has trained, in their order."""
        told, following = self._trainings(self._seen(run, caller), cursor, limit)
        final = self._transaction(lambda c: runs.final_checkpoint(c, run))
        return Page(items=[_checkpoint(one, final) for one in told], next=following)

    def curves(
        self,
        run: str,
        caller: Signed,
        cursor: Cursor = "",
        limit: Limit = 100,
        points: Annotated[
            int, Query(ge=2, le=100, description="How many of each training at most.", examples=[50])
        ] = 100,
    ) -> Page[CurveView]:
        """Loss and Dice of each training of a run, and how fast it was, in their order."""
        told, following = self._trainings(self._seen(run, caller), cursor, limit)
        return Page(items=[_curve(one, points) for one in told], next=following)

    def evaluations(self, run: str, caller: Signed) -> Page[EvaluationView]:
        """How good networks of a run are on slices with expert masks, oldest first. They are of data sets that you see."""
        found = self._seen(run, caller)
        facts = self._transaction(lambda c: steps.evaluations_of(c, found.id))
        return Page(
            items=[
                EvaluationView(
                    dataset=one.dataset,
                    split=Split(one.split),
                    checkpoint=one.checkpoint,
                    slices=one.measures["count"],
                    measures=one.measures["estimates"],
                )
                for one in facts
                if caller.role_on(one.dataset) is not None
            ]
        )

    def gates(self, run: str, caller: Signed) -> GatesView:
        """How the scores of a run's labels are spread, and what gates let through."""
        found = self._seen(run, caller)
        before = self._scores.get(run) or course.no_scores(found)
        scores = self._transaction(lambda c: before.and_later(c, found))
        self._scores[run] = scores
        while len(self._scores) > _REMEMBERED:
            self._scores.popitem(last=False)
        return _gates(scores)

    def _seen(self, run: str, caller: Signed) -> Run:
        return run_seen(self._platform, caller, run, Role.VIEWER)

    def _trainings(self, run: Run, cursor: str, limit: int) -> tuple[list[Training], str]:
        after = place_of(cursor, _NUMBER) or 0
        told = self._transaction(lambda c: course.trainings(c, run, after, limit))
        return told, cursor_of(told[-1].number) if len(told) == limit else ""


def _round(one: RoundCourse) -> RoundView:
    return RoundView.model_validate(one, from_attributes=True)


def _checkpoint(one: Training, final: str | None) -> CheckpointView:
    _, loss, dice = one.trained.curve[-1] if one.trained.curve else (0, None, None)
    return CheckpointView(
        digest=one.trained.digest,
        stage=one.name,
        round=one.round,
        size_bytes=one.trained.size_bytes,
        slices=one.trained.slices,
        loss=loss,
        dice=dice,
        made_at=one.at,
        final=one.trained.digest == final,
    )


def _curve(one: Training, most: int) -> CurveView:
    curve: Any = one.trained.curve
    if len(curve) > most:
        curve = [curve[round(place * (len(curve) - 1) / (most - 1))] for place in range(most)]
    return CurveView(
        number=one.number,
        stage=one.name,
        round=one.round,
        start=one.start,
        steps=one.trained.steps,
        slices=one.trained.slices,
        seconds=one.seconds,
        images_per_s=one.trained.images_per_s,
        points=[(one.start + step, loss, dice) for step, loss, dice in curve],
    )


def _gates(scores: GateScores) -> GatesView:
    """The bars that there are anything in, wide enough that they are not too many."""
    parts = len(scores.kept)
    filled = [place for place in range(parts) if scores.kept[place] or scores.refused[place]]
    last = max([*filled[-1:], round(parts * (scores.limit or 0)), 1])
    width = -(-(last + 1) // _BARS)
    starts = range(0, min(parts, last + width), width)
    return GatesView(
        score=scores.score,
        limit=scores.limit,
        edges=[start / parts for start in (*starts, min(parts, starts[-1] + width))],
        kept=[sum(scores.kept[start : start + width]) for start in starts],
        refused=[sum(scores.refused[start : start + width]) for start in starts],
    )
