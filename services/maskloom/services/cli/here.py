"""The runs of this machine's own catalog, as commands see them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection

from maskloom.pipelines import drive
from maskloom.platform.audit_facts import Broken, Entry, Head
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import audit, leases, runs, steps
from maskloom.platform.run_facts import RunStatus, StepRecord
from maskloom.services.api.views import RunRecord, StoryView
from maskloom.services.cli.place import Glance
from maskloom.services.records import run_record
from maskloom.services.stories import story


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

    def verify(self, noted: Head) -> Head | Broken:
        return self._transaction(lambda c: audit.verify(c, noted))

    def entries(self) -> list[Entry]:
        return self._transaction(lambda c: list(audit.entries(c)))
