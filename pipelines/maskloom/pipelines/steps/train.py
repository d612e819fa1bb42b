"""Train: fit the network to a dataset version, from a checkpoint or from the backbone's weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from maskloom.models.parameters import NetworkParameters, TrainingParameters
from maskloom.pipelines.flow import Outcome, Step
from maskloom.pipelines.jobs import TrainJob
from maskloom.pipelines.work import Work
from maskloom.platform.errors import NothingToDo
from maskloom.platform.facts import Checkpoint, DatasetVersion, Item, LabelKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A trained network: `digest` is its checkpoint's. The rest says how the training went (`jobs.TrainResult`)."""

    digest: str
    size_bytes: int
    steps: int
    slices: int
    curve: tuple[tuple[int, float, float], ...]
    images_per_s: float
    compute_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Train(Step[Trained]):
    """One stage of training. `only="pool"` leaves the slices of `data` out that experts labelled."""

    kind: ClassVar[str] = "train"
    output_type: ClassVar[Any] = Trained

    data: DatasetVersion
    network: NetworkParameters
    stage: TrainingParameters
    seed: int
    start: Trained | None = None
    only: Literal["all", "pool"] = "all"

    def run(self, work: Work) -> Outcome[Trained]:
        pairs, repeats = self._epoch(work.datasets.items(self.data))
        if not pairs:
            raise NothingToDo(
                f"there is no slice to train on in dataset {self.data.dataset!r}",
                hint="Ingest slices with masks: maskloom ingest IMAGES --masks MASKS --split labelled.",
            )
        job = TrainJob(
            key=self.key,
            network=self.network,
            training=self.stage,
            pairs=pairs,
            repeats=repeats,
            seed=self.seed,
            start=self.start.digest if self.start else None,
        )
        result = work.crew.train(job, work)
        assert result.digest is not None
        trained = Trained(
            digest=result.digest,
            size_bytes=result.size_bytes,
            steps=result.steps,
            slices=len(pairs),
            curve=result.curve,
            images_per_s=result.images_per_s,
            compute_s=result.compute_s,
        )
        return Outcome(
            output=trained,
            facts=(Checkpoint(digest=result.digest, step=self.key, size_bytes=result.size_bytes),),
            blobs=((result.digest, result.size_bytes, "application/vnd.safetensors"),),
        )

    def _epoch(self, items: list[Item]) -> tuple[tuple[tuple[str, str], ...], tuple[int, ...]]:
        chosen = [
            (item.slice, item.mask, 1 if item.kind is LabelKind.PSEUDO else self.stage.expert_repeat)
            for item in items
            if item.mask is not None and (self.only == "all" or item.kind is not LabelKind.EXPERT)
        ]
        return tuple((slice_, mask) for slice_, mask, _ in chosen), tuple(repeats for *_, repeats in chosen)
