"""Create runs and drive them: hold the run's lease, go through its method, stop when asked, record how it ended."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from sqlalchemy import Connection

from maskloom.models import weights
from maskloom.models.errors import ModelError
from maskloom.models.parameters import NetworkParameters
from maskloom.pipelines import recipes
from maskloom.pipelines.crew import Crew
from maskloom.pipelines.datasets import Datasets
from maskloom.pipelines.flow import Flow
from maskloom.pipelines.recipes import Recipe, SemiInfNet
from maskloom.pipelines.semi_inf_net import semi_inf_net, supervised
from maskloom.pipelines.steps.evaluate import Evaluate
from maskloom.pipelines.steps.train import Trained
from maskloom.pipelines.stopping import Stop, Stopped
from maskloom.pipelines.work import Observer, Waiting, Work
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import labels, leases, runs, slices
from maskloom.platform.catalog.keeper import LeaseKeeper
from maskloom.platform.errors import MaskloomError, NothingToDo, RunBusy, SettingsError, UnknownName
from maskloom.platform.facts import Item, Split
from maskloom.platform.fingerprint import fingerprint
from maskloom.platform.processor import multiplies_bf16
from maskloom.platform.run_facts import Run, RunStatus

_EVENT_OF_STOP = {"paused": "paused", "cancelled": "cancelled"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a run ended: its network, and what it measured on the test split (None without one)."""

    model: Trained
    measures: dict[str, Any] | None


def settled(recipe: Recipe, platform: Platform) -> Recipe:
    """`recipe` with what is `auto` settled for the machines that will run it: a run never changes engine or precision."""
    address, gpus = platform.settings.ray_address, platform.settings.ray_gpus
    here = address is None and gpus is None
    # A cluster of which nobody says otherwise has GPUs, and one without them processors like ours.
    on_cpu = shutil.which("nvidia-smi") is None if here else gpus is False
    best = {
        "engine": "openvino" if here and on_cpu and importlib.util.find_spec("openvino") else "torch",
        "precision": "bf16" if not on_cpu or multiplies_bf16() else "fp32",
    }
    left = [key for key, value in recipes.values(recipe).items() if value == "auto"]
    return recipes.with_settings(recipe, [f"{key}={best[key.rpartition('.')[2]]}" for key in left])


def create(platform: Platform, recipe: Recipe, dataset: str, seed: int) -> tuple[Run, bool]:
    """`insert` in a transaction of its own."""
    return platform.database.transaction(lambda c: insert(c, platform, recipe, dataset, seed))


def insert(
    connection: Connection, platform: Platform, recipe: Recipe, dataset: str, seed: int
) -> tuple[Run, bool]:
    """The run of `recipe` on `dataset` as it stands, and whether it is new: the same recipe, data and seed are the same run.

    Raises UnknownName for a data set that does not exist, NothingToDo for one without expert masks, SettingsError when the
    backbone's weights are not there.
    """
    known = slices.dataset_names(connection)
    if dataset not in known:
        raise UnknownName(
            f"there is no data set {dataset!r}",
            hint=f"Data sets: {', '.join(known)}." if known else "Make one with `maskloom ingest`.",
        )
    experts = [item for item in labels.current_items(connection, dataset, Split.LABELLED) if item.label]
    if not experts:
        raise NothingToDo(
            f"data set {dataset!r} has no slice with an expert mask",
            hint=f"maskloom ingest IMAGES --masks MASKS --dataset {dataset} --split labelled",
        )
    pool = [Item(slice=item.slice) for item in labels.current_items(connection, dataset, Split.UNLABELLED)]
    labelled = labels.growth(dataset, experts, Split.LABELLED)
    unlabelled = labels.growth(dataset, pool, Split.UNLABELLED)
    for part in (labelled, unlabelled):
        labels.add_version(connection, part)
    stored = recipes.RECIPE.dump_python(settled(recipe, platform), mode="json")
    identity = {"recipe": stored, "labelled": labelled.version, "pool": unlabelled.version, "seed": seed}
    run = Run(
        id=fingerprint(identity)[:12],
        recipe=stored,
        dataset=dataset,
        seed=seed,
        labelled=labelled.version,
        pool=unlabelled.version,
        created_at=datetime.now(UTC),
    )
    found = runs.find(connection, run.id)
    if found:
        return found[0], False
    _check_weights(recipe.network, platform)
    runs.add(connection, run)
    return run, True


def _check_weights(network: NetworkParameters, platform: Platform) -> None:
    """Say at once what would end the first training. The machines of a cluster have weights of their own."""
    if network.weights == "imagenet" and platform.settings.ray_address is None:
        try:
            weights.locate(network.backbone)
        except ModelError as error:
            raise SettingsError(str(error), key="network.backbone") from None


def drive(
    platform: Platform, run: Run, *, workers: int, observer: Observer, stop: Stop, even_stopped: bool = True
) -> Finished:
    """Go through `run` to its end; what is committed is replayed. `even_stopped`: also where it was paused or cancelled.

    Raises RunBusy when another process drives it, Stopped when it is stopped or was, and Waiting when it waits for a review:
    then nothing is held, and the same call goes on once the review is closed.
    """
    lease = _take(platform, run, None if even_stopped else stop)
    with flowing(
        platform,
        run,
        lease,
        workers=workers,
        observer=observer,
        stop=stop,
        on_beat=lambda connection: _obey(connection, run, stop),
    ) as flow:
        try:
            finished = _method(flow, run, platform)
            _record(platform, run, "finished", {"final_checkpoint": finished.model.digest})
        except Waiting as waiting:
            _record(platform, run, "waiting", {"review": waiting.review})
            raise
        except Exception as error:
            if not isinstance(error, MaskloomError) or error.exit_code not in _NOT_FAILED:
                _record(platform, run, "failed", {"error": f"{type(error).__name__}: {error}"})
            raise
    return finished


@contextmanager
def flowing(
    platform: Platform,
    run: Run,
    lease: leases.Lease,
    *,
    workers: int,
    observer: Observer,
    stop: Stop,
    on_beat: Callable[[Connection], None] = lambda _connection: None,
) -> Iterator[Flow]:
    """A flow for steps of `run`, as long as `lease` is kept; then its actors end and the lease is released."""
    keeper = LeaseKeeper(platform.database, lease, on_beat, stop.supersede)
    crew = Crew(platform, workers)
    work = Work(
        platform=platform,
        run=run,
        datasets=Datasets(platform.database, platform.objects),
        crew=crew,
        stop=stop,
        observer=observer,
        say=keeper.say,
    )
    try:
        yield Flow(platform, run, work, keeper, stop)
    finally:
        crew.close()
        keeper.close()
        platform.database.transaction(lambda connection: leases.release(connection, lease))


_NOT_FAILED = {Stopped.exit_code, RunBusy.exit_code}  # stopped, or worth another try as it is


def _method(flow: Flow, run: Run, platform: Platform) -> Finished:
    recipe = recipes.RECIPE.validate_python(run.recipe)
    if isinstance(recipe, SemiInfNet):
        model = semi_inf_net(flow, recipe, run.labelled, run.pool, run.seed)
    else:
        model = supervised(flow, recipe, run.labelled, run.seed)
    pairs = pairs_of(platform, run.dataset, Split.TEST)
    if not pairs:
        return Finished(model=model, measures=None)
    return Finished(
        model=model, measures=flow.do(evaluation(run, model, run.dataset, Split.TEST, pairs)).estimates
    )


def evaluation(
    run: Run, model: Trained, dataset: str, split: Split, pairs: tuple[tuple[str, str], ...]
) -> Evaluate:
    """The step that measures `model` on `pairs`, which are those of `split` in `dataset`."""
    recipe = recipes.RECIPE.validate_python(run.recipe)
    return Evaluate(
        dataset=dataset,
        split=split,
        pairs=pairs,
        network=recipe.network,
        model=model,
        prediction=recipe.prediction,
    )


def pairs_of(platform: Platform, dataset: str, split: Split) -> tuple[tuple[str, str], ...]:
    """(slice digest, expert mask digest) of every slice of a split that has one."""
    items = platform.database.transaction(lambda c: labels.current_items(c, dataset, split))
    return tuple((item.slice, item.mask) for item in items if item.mask is not None)


def _take(platform: Platform, run: Run, obedient: Stop | None) -> leases.Lease:
    def take(connection: Connection) -> leases.Lease | leases.Holder:
        runs.lock_events(connection, run.id)
        if obedient is not None:
            _obey(connection, run, obedient)
            obedient.check()
        answer = leases.acquire(connection, runs.lease_name(run.id), leases.this_process())
        if isinstance(answer, leases.Lease):
            runs.add_event(connection, run.id, "started", _environment())
        return answer

    answer = platform.database.transaction(take)
    if isinstance(answer, leases.Holder):
        raise busy(run, answer)
    return answer


def busy(run: Run, holder: leases.Holder) -> RunBusy:
    """What to raise when another process drives `run`."""
    return RunBusy(
        f"run {run.id} is driven by {holder}",
        hint=f"Follow it with `maskloom watch {run.id}`. When that process dies, the run can be resumed at once.",
    )


def _environment() -> dict[str, str]:
    """What drives the run, for the record."""
    system = os.uname()
    return {
        **{name: version(name) for name in ("maskloom", "torch", "ray")},
        "Python": ".".join(map(str, sys.version_info[:3])),
        system.sysname: system.machine,
    }


def _obey(connection: Connection, run: Run, stop: Stop) -> None:
    event = runs.last_event(connection, run.id)
    if event is not None and event[0] in _EVENT_OF_STOP:
        stop.request(event[0])


def _record(platform: Platform, run: Run, kind: str, detail: dict[str, Any]) -> None:
    platform.database.transaction(lambda connection: runs.add_event(connection, run.id, kind, detail))


def find(platform: Platform, prefix: str) -> Run:
    """The one run whose id starts with `prefix`. Raises UnknownName."""
    found = platform.database.transaction(lambda connection: runs.find(connection, prefix))
    if len(found) != 1:
        every = platform.database.transaction(runs.all_runs)
        newest = ", ".join(run.id for run in every[:5])
        raise UnknownName(
            f"{'several runs start' if found else 'no run starts'} with {prefix!r}",
            hint=f"The newest runs: {newest}."
            if newest
            else "There is no run yet: start one with `maskloom run`.",
        )
    return found[0]


def request(connection: Connection, run: Run, kind: str) -> RunStatus:
    """Record that somebody asked to pause or cancel `run`; its driver obeys within seconds. Returns the state before."""
    before = runs.status(connection, run.id)
    if before not in {RunStatus.FINISHED, RunStatus.CANCELLED}:
        runs.add_event(connection, run.id, kind)
    return before
