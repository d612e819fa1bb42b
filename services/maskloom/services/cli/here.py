"""The runs of this machine's own catalog, as commands see them."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from maskloom.pipelines import course, drive, recipes
from maskloom.pipelines.registry import promoting
from maskloom.pipelines.registry.comparing import contenders
from maskloom.platform.audit_facts import Act, Broken, Entry, Head
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import audit, leases, run_lists, runs, slices, steps
from maskloom.platform.model_facts import Model
from maskloom.platform.run_facts import RunStatus, RunSummary, StepRecord
from maskloom.services.api.views import RunRecord, StoryView
from maskloom.services.cli.place import Glance, InShort
from maskloom.services.model_records import model_record
from maskloom.services.records import run_record
from maskloom.services.slice_story import story

if TYPE_CHECKING:
    from maskloom.pipelines.review.summary import ReviewSummary


_PORTION = 500
_ALL_ROUNDS = 10**9


class Here:
    """A `Place`: the catalog of `platform`."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._transaction = platform.database.transaction

    def find(self, prefix: str) -> str:
        return drive.find(self._platform, prefix).id

    def records(self) -> Iterator[RunRecord]:
        return (run_record(self._platform, run) for run in self._transaction(runs.all_runs))

    def record(self, run: str) -> RunRecord:
        return run_record(self._platform, drive.find(self._platform, run))

    def in_short(self, dataset: str) -> Iterator[InShort]:
        before: tuple[datetime, str] | None = None
        while True:
            portion = self._transaction(partial(_portion, dataset=dataset, before=before))
            for one in portion:
                yield InShort(
                    id=one.id,
                    status=one.status,
                    rounds=course.rounds_of(recipes.stored(one.recipe), one.pool),
                    rounds_done=one.rounds_done,
                    dice=one.dice["value"] if one.dice else None,
                )
            if len(portion) < _PORTION:
                return
            before = portion[-1].created_at, portion[-1].id

    def dice_by_round(self, run: str) -> list[tuple[int, float]]:
        found = drive.find(self._platform, run)
        rounds = self._transaction(lambda c: course.rounds(c, found, 0, _ALL_ROUNDS))
        return [(one.number, one.dice) for one in rounds if one.dice is not None]

    def glance(self, run: str) -> Glance:
        def look(connection: Connection) -> Glance:
            held = leases.current(connection, runs.lease_name(run))
            driver, note = (str(held[0]), held[1]) if held else (None, None)
            return Glance(status=runs.status(connection, run), driver=driver, note=note)

        return self._transaction(look)

    def steps(self, run: str, since: datetime | None) -> list[StepRecord]:
        return self._transaction(lambda c: steps.of_run(c, run, since))

    def story(self, run: str, slice_name: str) -> StoryView:
        return story(self._platform, drive.find(self._platform, run), slice_name)

    def stop(self, run: str, kind: str) -> RunStatus:
        found = drive.find(self._platform, run)
        return self._transaction(lambda c: drive.request(c, found, kind))

    def review(self, run: str) -> ReviewSummary:
        from maskloom.pipelines.review.summary import summary

        return summary(self._platform, drive.find(self._platform, run))

    def datasets(self) -> list[str]:
        return self._transaction(slices.dataset_names)

    def models(self, dataset: str) -> list[dict[str, Any]]:
        return [model_record(one) for one in contenders(self._platform, dataset)]

    def register(self, run: str, name: str) -> Model:
        found = drive.find(self._platform, run)
        act = _act("model.registered", found.dataset, name)
        return self._transaction(lambda c: promoting.register(c, found, name, act))

    def promote(self, dataset: str, name: str, reason: str | None) -> Model:
        act = _act("model.promoted", dataset, name)
        objects = self._platform.objects
        return self._transaction(lambda c: promoting.promote(c, objects, dataset, name, act, reason))

    def rollback(self, dataset: str, name: str, reason: str | None) -> Model:
        act = _act("model.rolled_back", dataset, name)
        return self._transaction(lambda c: promoting.rollback(c, dataset, name, act, reason))

    def archive(self, dataset: str, name: str) -> Model:
        act = _act("model.archived", dataset, name)
        return self._transaction(lambda c: promoting.archive(c, dataset, name, act))

    def verify(self, noted: Head) -> Head | Broken:
        return self._transaction(lambda c: audit.verify(c, noted))

    def entries(self) -> list[Entry]:
        return self._transaction(lambda c: list(audit.entries(c)))


def _portion(
    connection: Connection, *, dataset: str, before: tuple[datetime, str] | None
) -> list[RunSummary]:
    return run_lists.page(connection, [dataset], before, _PORTION)


def _act(action: str, dataset: str, name: str) -> Act:
    """What the audit trail keeps of what the user of this process does."""
    return Act(
        who=getpass.getuser(),
        via="command",
        address="this machine",
        action=action,
        target=name,
        dataset=dataset,
    )
