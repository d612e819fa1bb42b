"""Whose network predicts: a run's own, or that of whichever run the champion of a data set is from."""

from __future__ import annotations

from sqlalchemy import Connection

from maskloom.pipelines import drive
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import registry, runs, slices
from maskloom.platform.errors import NothingToDo, UnknownName
from maskloom.platform.run_facts import Run

CHAMPION = "champion:"


def run_of(platform: Platform, given: str) -> Run:
    """The run that `given` means: a run's id or its first digits, or `champion:DATASET`.

    Raises UnknownName where there is no such run or data set, NothingToDo where the data set has no champion.
    """
    if not given.startswith(CHAMPION):
        return drive.find(platform, given)
    dataset = given.removeprefix(CHAMPION)
    run = platform.database.transaction(lambda connection: _champion_known(connection, dataset))
    if run is None:
        raise NothingToDo(
            f"data set {dataset!r} has no champion", hint="Promote a model: maskloom models promote NAME."
        )
    return run


def champions_run(connection: Connection, dataset: str) -> Run | None:
    """The run whose network is the champion of a data set; None before the first."""
    champion = registry.champion(connection, dataset)
    return None if champion is None else runs.find(connection, champion.run)[0]


def _champion_known(connection: Connection, dataset: str) -> Run | None:
    known = slices.dataset_names(connection)
    if dataset not in known:
        raise UnknownName(f"there is no data set {dataset!r}", hint=f"Data sets: {', '.join(known)}.")
    return champions_run(connection, dataset)
