"""A small data set, a run on it with a review, and readers who work in folders: everything real but the networks."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from maskloom.pipelines import drive, recipes
from maskloom.pipelines.drive import Finished
from maskloom.pipelines.history import MaskRecord, labels_of_run
from maskloom.pipelines.parameters import ReviewParameters
from maskloom.pipelines.stopping import Stop
from maskloom.pipelines.work import Observer, Waiting
from maskloom.platform.bootstrap import Platform, open_platform
from maskloom.platform.catalog import reviews, runs, steps
from maskloom.platform.catalog.reviews import ReviewState
from maskloom.platform.facts import Split
from maskloom.platform.run_facts import Run, RunStatus, StepRecord
from maskloom.platform.settings import Settings
from maskloom.services.bridge import sync
from maskloom.services.bridge.folder import Folder
from maskloom.services.bridge.tool import AnnotationTool
from support.folder_reader import FolderReader
from support.painted import DATASET, Grey, Quiet, ingest_phantom, painting, quick_recipe
from support.servers import PostgresServer, remove_home, short_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Ward:
    """A data set of 5 expert and 12 unlabelled slices, their true lesions by digest, and folders for readers."""

    platform: Platform
    truth: dict[str, Grey]
    tool: AnnotationTool

    def run(self, seed: int = 1, **review: Any) -> Run:
        """A run that nobody has driven, with groups of four, whose review has these parameters."""
        recipe = replace(quick_recipe(), review=ReviewParameters(**review))
        recipes.check(recipe)
        return drive.create(self.platform, recipe, DATASET, seed=seed)[0]

    def drive(self, run: Run, observer: Observer | None = None) -> Finished | None:
        """Go on with a run; None when it waits for its readers."""
        with painting(self.truth):
            try:
                return drive.drive(self.platform, run, workers=1, observer=observer or Quiet(), stop=Stop())
            except Waiting:
                return None

    def push(self, run: Run) -> None:
        sync.push(self.platform, run, self.tool)

    def pull(self, run: Run) -> None:
        sync.pull(self.platform, run, self.tool)

    def reader(self, run: Run, name: str = "reader") -> FolderReader:
        """A reader in their folder."""
        return FolderReader(Path(self.platform.settings.home) / "reviews" / run.id / name)

    def reviews(self, run: Run) -> list[ReviewState]:
        return self.platform.database.transaction(lambda c: reviews.of_run(c, run.id))

    def steps(self, run: Run, kind: str) -> list[StepRecord]:
        every = self.platform.database.transaction(lambda c: steps.of_run(c, run.id))
        return [step for step in every if step.kind == kind]

    def status(self, run: Run) -> RunStatus:
        return self.platform.database.transaction(lambda c: runs.status(c, run.id))

    def masks(self, run: Run) -> dict[str, MaskRecord]:
        """THE mask of every slice, by digest."""
        return {record.slice: record for record in labels_of_run(self.platform, run)}


@contextmanager
def ward(server: PostgresServer, objects_url: str | None = None, pool: int = 12) -> Iterator[Ward]:
    """A data set in a catalog of its own, with `pool` unlabelled slices; its objects are in a folder unless told otherwise."""
    home = short_folder()
    database = f"test_{uuid.uuid4().hex}"
    server.execute(f"CREATE DATABASE {database}")
    url = server.url.removesuffix("postgres") + database
    with open_platform(Settings(home=home, database_url=url, objects_url=objects_url)) as platform:
        truth = {}
        for seed, (split, count) in enumerate({"labelled": 5, "unlabelled": pool}.items()):
            truth |= ingest_phantom(platform, home / split, Split(split), count, seed)
        yield Ward(platform=platform, truth=truth, tool=Folder(home / "reviews", platform.objects))
    server.execute(f"DROP DATABASE {database} WITH (FORCE)")
    remove_home(home)
