"""Runs: started, stopped, looked at and followed; and what can be run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from pydantic import TypeAdapter

from maskloom.platform.run_facts import Priority
from maskloom.services.api.views import (
    Going,
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
_STARTED = TypeAdapter(StartedRun)
_RECORD = TypeAdapter(RunRecord)
_STEP = TypeAdapter(StepView)
_STORY = TypeAdapter(StoryView)


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

    def list(self, dataset: str | None = None) -> Iterator[RunView]:
        """The runs on data sets that you see, newest first."""
        return self._transport.everything("/runs", _RUN, dataset=dataset, limit=500)

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


def _path(run: str) -> str:
    return f"/runs/{part(run)}"
