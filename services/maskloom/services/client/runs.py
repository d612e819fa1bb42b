"""Runs: started, stopped, looked at and followed; and what can be run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from pydantic import TypeAdapter

from maskloom.platform.run_facts import Priority, RunStatus
from maskloom.services.api.course_views import (
    CheckpointView,
    CurveView,
    DifferencesView,
    EvaluationView,
    GatesView,
    RoundView,
)
from maskloom.services.api.views import (
    Going,
    ListedRunView,
    NewRun,
    RecipeView,
    RunRecord,
    RunView,
    StartedRun,
    StepView,
    StoryView,
)
from maskloom.services.client.events import Event, follow
from maskloom.services.client.transport import Transport, part

_RECIPE = TypeAdapter(RecipeView)
_RUN = TypeAdapter(RunView)
_LISTED = TypeAdapter(ListedRunView)
_STARTED = TypeAdapter(StartedRun)
_RECORD = TypeAdapter(RunRecord)
_STEP = TypeAdapter(StepView)
_STORY = TypeAdapter(StoryView)
_ROUND = TypeAdapter(RoundView)
_CHECKPOINT = TypeAdapter(CheckpointView)
_EVALUATION = TypeAdapter(EvaluationView)
_CURVE = TypeAdapter(CurveView)
_GATES = TypeAdapter(GatesView)
_DIFFERENCES = TypeAdapter(DifferencesView)


class Recipes:
    """What can be run."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> Iterator[RecipeView]:
        """The recipes, with every value that a run can change."""
        return self._transport.everything("/recipes", _RECIPE)


class Runs:
    """Runs, by their whole ids."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, dataset: str | None = None, *, status: RunStatus | None = None) -> Iterator[ListedRunView]:
        """The runs on data sets that you see, newest first."""
        return self._transport.everything("/runs", _LISTED, dataset=dataset, status=status, limit=500)

    def get(self, run: str) -> RunRecord:
        """A run, with everything that is known of it, as `maskloom show RUN --json` says it."""
        return self._transport.get(_path(run), _RECORD)

    def steps(self, run: str, since: datetime | None = None) -> Iterator[StepView]:
        """The steps that a run has taken, in their order; with `since`, those that it took then or later."""
        said = None if since is None else since.isoformat()
        return self._transport.everything(f"{_path(run)}/steps", _STEP, since=said)

    def story(self, run: str, slice_name: str) -> StoryView:
        """The story of a slice's masks in a run; the slice by its name or digest."""
        return self._transport.get(f"{_path(run)}/story", _STORY, slice=slice_name)

    def rounds(self, run: str) -> Iterator[RoundView]:
        """The rounds that a run has come to, in their order."""
        return self._transport.everything(f"{_path(run)}/rounds", _ROUND)

    def checkpoints(self, run: str) -> Iterator[CheckpointView]:
        """The networks that a run has trained, in their order."""
        return self._transport.everything(f"{_path(run)}/checkpoints", _CHECKPOINT)

    def evaluations(self, run: str) -> Iterator[EvaluationView]:
        """How good networks of a run are on slices with expert masks, oldest first."""
        return self._transport.everything(f"{_path(run)}/evaluations", _EVALUATION)

    def curves(self, run: str, *, points: int = 100) -> Iterator[CurveView]:
        """Loss and Dice of each training of a run, in their order, at so many `points` (2 to 100) at most."""
        return self._transport.everything(f"{_path(run)}/curves", _CURVE, points=points)

    def gates(self, run: str) -> GatesView:
        """How the scores of a run's labels are spread, and what gates let through."""
        return self._transport.get(f"{_path(run)}/gates", _GATES)

    def start(
        self,
        dataset: str,
        recipe: str = "semi-inf-net",
        *,
        settings: Sequence[str] = (),
        seed: int = 0,
        priority: Priority = Priority.NORMAL,
        workers: int = 1,
    ) -> StartedRun:
        """Queue a run. The same recipe, data and seed are the same run, which then goes on."""
        wanted = NewRun(
            dataset=dataset,
            recipe=recipe,
            settings=[*settings],
            seed=seed,
            priority=priority,
            workers=workers,
        )
        return self._transport.change("POST", "/runs", _STARTED, wanted)

    def pause(self, run: str) -> RunView:
        """Stop a run for now: its driver stops within seconds."""
        return self._transport.change("POST", f"{_path(run)}/pause", _RUN)

    def resume(self, run: str, *, priority: Priority = Priority.NORMAL, workers: int = 1) -> RunView:
        """Queue a run that was stopped, has failed, or was interrupted."""
        going = Going(priority=priority, workers=workers)
        return self._transport.change("POST", f"{_path(run)}/resume", _RUN, going)

    def cancel(self, run: str) -> RunView:
        """Stop a run for good. What it has made stays."""
        return self._transport.change("POST", f"{_path(run)}/cancel", _RUN)

    def follow(self, run: str, last: str = "") -> Iterator[Event]:
        """What has happened to a run (after the event with the id `last`), and then what does, each once and without end.

        Where the connection is lost it is made anew, and nothing is missed. Stop when you have seen enough.
        """
        return follow(self._transport, f"{_path(run)}/events", last)


class Comparisons:
    """Two runs beside each other."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def compare(self, a: str, b: str, *, cursor: str = "", limit: int = 50) -> DifferencesView:
        """Where the masks of two runs on one data set differ most. `cursor`: `next` of the portion before."""
        query = {"a": a, "b": b, "cursor": cursor, "limit": limit}
        return self._transport.get("/comparisons", _DIFFERENCES, **query)


def _path(run: str) -> str:
    return f"/runs/{part(run)}"
