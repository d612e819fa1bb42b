"""Reviews on the open data set of a service, whose readers work in folders."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from maskloom.pipelines import drive
from maskloom.pipelines.parameters import ReviewParameters
from maskloom.pipelines.stopping import Stop
from maskloom.pipelines.work import Waiting
from maskloom.platform.catalog import reviews
from maskloom.platform.run_facts import Run
from maskloom.services.bridge import sync
from maskloom.services.bridge.folder import Folder
from support.folder_reader import FolderReader
from support.painted import Grey, Quiet, painting, quick_recipe
from support.service import OPEN, Service

RHEA, BEN, CHIEF = "rhea", "ben", "chief"
"""Rhea has an account, as reader; the others have none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOut:
    """A run whose first round waits for its readers: four slices, which both read, and a gold one."""

    service: Service
    run: Run
    review: str
    tool: Folder

    def reader(self, name: str) -> FolderReader:
        """A reader in their folder."""
        return FolderReader(Path(self.service.platform.settings.home) / "reviews" / self.run.id / name)

    def sync(self) -> None:
        """Carry out what is to be read, and back what was."""
        sync.pull(self.service.platform, self.run, self.tool)
        sync.push(self.service.platform, self.run, self.tool)

    def rounds_slices(self) -> list[str]:
        """The slices of the round in the order of reading, without the gold one."""
        return [slice_ for slice_ in self.reader(RHEA).slices() if slice_ in self.service.digests]


def hand_out(service: Service, seed: int = 5, **review: Any) -> HandedOut:
    """A new run with a review; another seed is another one."""
    wanted: dict[str, Any] = {"readers": (RHEA, BEN), "readings": 2, "adjudicator": CHIEF, "gold": 1}
    parameters = ReviewParameters(mode="required", **(wanted | review))
    run, _ = drive.create(service.platform, replace(quick_recipe(), review=parameters), OPEN, seed=seed)
    with painting(service.truth):
        try:
            drive.drive(service.platform, run, workers=1, observer=Quiet(), stop=Stop())
        except Waiting as waiting:
            review_id = waiting.review
    tool = Folder(Path(service.platform.settings.home) / "reviews", service.platform.objects)
    sync.push(service.platform, run, tool)
    assert service.platform.database.transaction(lambda c: reviews.assigned(c, run.id)) == 10
    return HandedOut(service=service, run=run, review=review_id, tool=tool)


def read_some(handed: HandedOut) -> tuple[str, str, str, str]:
    """Of the round's four slices one that both accept, one that both reject, one on which they disagree, and an unread one."""
    accepted, rejected, disputed, unread = handed.rounds_slices()
    rhea, ben = handed.reader(RHEA), handed.reader(BEN)
    for reader in (rhea, ben):
        reader.accept(accepted, minutes="0.5")
        reader.skip(rejected)
    rhea.correct(disputed, disc(30), minutes="1")
    ben.correct(disputed, disc(70), minutes="2")
    handed.sync()
    return accepted, rejected, disputed, unread


def disc(column: int) -> Grey:
    """A mask that nobody else draws."""
    rows, columns = np.mgrid[:96, :96]
    return np.where((rows - 40) ** 2 + (columns - column) ** 2 < 144, 255, 0).astype(np.uint8)
