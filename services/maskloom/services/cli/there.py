"""The runs of a maskloom that serves, as commands see them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from maskloom.platform.audit_facts import Broken, Entry, Head
from maskloom.platform.errors import UnknownName
from maskloom.platform.run_facts import RunStatus, StepRecord
from maskloom.services.api.model_views import ModelView
from maskloom.services.api.views import RunRecord, StoryView
from maskloom.services.cli.place import Glance, InShort
from maskloom.services.client import Client

if TYPE_CHECKING:
    from maskloom.pipelines.review.summary import ReviewSummary

_STEP = tuple(field.name for field in fields(StepRecord))


class There:
    """A `Place`: what `client` reaches, and its user sees."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def find(self, prefix: str) -> str:
        every = [run.id for run in self._client.runs.list()]
        found = [run for run in every if run.startswith(prefix)]
        if len(found) != 1:
            raise UnknownName(
                f"{'several runs that you see start' if found else 'no run that you see starts'} with {prefix!r}",
                hint=f"The newest runs: {', '.join(every[:5])}."
                if every
                else "There is none yet that you see: start one with `maskloom run`.",
            )
        return found[0]

    def records(self) -> Iterator[RunRecord]:
        return (self.record(run.id) for run in self._client.runs.list())

    def record(self, run: str) -> RunRecord:
        return self._client.runs.get(run)

    def in_short(self, dataset: str) -> Iterator[InShort]:
        for one in self._client.runs.list(dataset):
            yield InShort(
                id=one.id,
                status=one.status,
                rounds=one.rounds,
                rounds_done=one.rounds_done,
                dice=one.dice["value"] if one.dice else None,
            )

    def dice_by_round(self, run: str) -> list[tuple[int, float]]:
        return [(one.number, one.dice) for one in self._client.runs.rounds(run) if one.dice is not None]

    def glance(self, run: str) -> Glance:
        record = self.record(run)
        driver = record["driver"]
        return Glance(
            status=record["status"],
            driver=f"process {driver['pid']} on {driver['host']}" if driver else None,
            note=driver["doing"] if driver else None,
        )

    def steps(self, run: str, since: datetime | None) -> list[StepRecord]:
        found = self._client.runs.steps(run, since)
        return [StepRecord(**{name: getattr(step, name) for name in _STEP}) for step in found]

    def story(self, run: str, slice_name: str) -> StoryView:
        return self._client.runs.story(run, slice_name)

    def stop(self, run: str, kind: str) -> RunStatus:
        before = self.record(run)["status"]
        if kind == "paused":
            self._client.runs.pause(run)
        else:
            self._client.runs.cancel(run)
        return before

    def review(self, run: str) -> ReviewSummary:
        from maskloom.pipelines.review.summary import ReviewSummary

        return TypeAdapter(ReviewSummary).validate_python(self._client.reviews.review(run))

    def datasets(self) -> list[str]:
        return [one.name for one in self._client.datasets.list()]

    def models(self, dataset: str) -> list[dict[str, Any]]:
        return [one.model_dump() for one in self._client.models.list(dataset)]

    def register(self, run: str, name: str) -> ModelView:
        return self._client.models.register(self.record(run)["dataset"], run, name)

    def promote(self, dataset: str, name: str, reason: str | None) -> ModelView:
        return self._client.models.promote(dataset, name, reason=reason)

    def rollback(self, dataset: str, name: str, reason: str | None) -> ModelView:
        return self._client.models.rollback(dataset, name, reason=reason)

    def archive(self, dataset: str, name: str) -> ModelView:
        return self._client.models.archive(dataset, name)

    def verify(self, noted: Head) -> Head | Broken:
        return self._client.audit.verify(noted if noted.number else None).found

    def entries(self) -> list[Entry]:
        return [*self._client.audit.list()][::-1]
