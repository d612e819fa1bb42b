"""What is done with a run's network beside its method: measure it on other slices (see also `predict.py`)."""

from __future__ import annotations

from pydantic import TypeAdapter

from maskloom.pipelines import drive
from maskloom.pipelines.steps.evaluate import Measured
from maskloom.pipelines.steps.train import Train, Trained
from maskloom.pipelines.stopping import Stop
from maskloom.pipelines.work import Observer
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import leases, slices, steps
from maskloom.platform.errors import NothingToDo, RunBusy, UnknownName
from maskloom.platform.facts import Split
from maskloom.platform.run_facts import Run


def newest_network(platform: Platform, run: Run) -> Trained:
    """The network that `run` trained last, the final one once it has finished.

    Raises NothingToDo before the first.
    """
    trained = platform.database.transaction(lambda c: steps.newest_output(c, run.id, Train.kind))
    if trained is None:
        raise NothingToDo(
            f"run {run.id} has no trained network yet", hint=f"Go on with `maskloom resume {run.id}`."
        )
    return TypeAdapter(Trained).validate_python(trained)


def evaluate(
    platform: Platform, run: Run, dataset: str, split: Split, *, workers: int, observer: Observer, stop: Stop
) -> Measured:
    """Measures of the newest network of `run` on a split with expert masks; a durable step of the run.

    Raises UnknownName for a data set that does not exist, NothingToDo without a network or without masks,
    and RunBusy while another process evaluates the same run.
    """
    known = platform.database.transaction(slices.dataset_names)
    if dataset not in known:
        raise UnknownName(f"there is no data set {dataset!r}", hint=f"Data sets: {', '.join(known)}.")
    model = newest_network(platform, run)
    pairs = drive.pairs_of(platform, dataset, split)
    if not pairs:
        raise NothingToDo(
            f"the split {split} of data set {dataset!r} has no expert mask to compare with",
            hint=f"maskloom ingest IMAGES --masks MASKS --dataset {dataset} --split {split}",
        )
    # Not the run's own lease: an evaluation may go on beside the run, and does not change its state.
    name = f"evaluation/{run.id}"
    lease = platform.database.transaction(lambda c: leases.acquire(c, name, leases.this_process()))
    if isinstance(lease, leases.Holder):
        raise RunBusy(f"run {run.id} is being evaluated by {lease}", hint="Try again when it is done.")
    with drive.flowing(platform, run, lease, workers=workers, observer=observer, stop=stop) as flow:
        return flow.do(drive.evaluation(run, model, dataset, split, pairs))
