"""The actor that labels and measures: reads slices, runs the network, and stores masks, each in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import groupby, islice
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from maskloom.models.inference import Predictor, resize_to, uncertainty
from maskloom.models.parameters import NetworkParameters, PredictionParameters
from maskloom.pipelines.jobs import EvaluateJob, LabelJob, SliceEvaluation, SliceLabel, WorkerSettings
from maskloom.pipelines.workers.place import HeldNetwork, prepare, stacked
from maskloom.platform.imaging.formats import decode_grey8, encode_png, resize
from maskloom.platform.objects.store import open_store

T = TypeVar("T")
U = TypeVar("U")

Grey = NDArray[np.uint8]

_HELPERS_BESIDE_A_GPU = 4


class Labeller:
    """One worker of the labelling pool."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._objects = open_store(settings.objects_url)
        self._device = prepare(settings)
        # Beside a GPU the cores have nothing to do but to read slices and store masks. Without one the network needs them.
        self._helpers = _HELPERS_BESIDE_A_GPU if self._device.type == "cuda" else 1
        self._held: HeldNetwork | None = None
        self._predictor: tuple[tuple[NetworkParameters, PredictionParameters, str], Predictor] | None = None
        # Tasks overlap in their reading and storing, but share one network and its threads.
        self._computing = threading.Lock()

    def label(self, job: LabelJob) -> list[SliceLabel]:
        """Store a soft mask for each slice of `job`, in its order."""
        size, stretch = job.prediction.size, job.prediction.stretch
        batches = _batches(job.slices, job.prediction.batch_size)
        read = ahead(lambda digests: self._read(digests, size), batches, self._helpers)
        self._load(job)  # while the first slices are read
        predicted = (self._predict(job, *batch) for batch in read)
        stored = ahead(lambda batch: self._store(batch, stretch=stretch), predicted, self._helpers)
        return [label for batch in stored for label in batch]

    def evaluate(self, job: EvaluateJob) -> list[SliceEvaluation]:
        """Measures of each pair of `job`, in its order, at the mask's own size."""
        from maskloom.models.metrics import measure_slice  # noqa: PLC0415 - loads MONAI, which takes seconds

        results = []
        for pairs in _batches(job.pairs, job.prediction.batch_size):
            batch = self._read(tuple(image for image, _ in pairs), job.prediction.size)
            predicted = self._predict(job, *batch)
            masks = [decode_grey8(blob) for blob in self._objects.get_many([mask for _, mask in pairs])]
            drawn = soft_masks(predicted.probabilities, predicted.sizes, stretch=job.prediction.stretch)
            files = [encode_png(soft) for soft in drawn]
            for digest, soft, file, mask, stored in zip(
                predicted.digests, drawn, files, masks, self._objects.put_many(files), strict=True
            ):
                measures = asdict(measure_slice(soft, mask))
                results.append(
                    SliceEvaluation(slice=digest, prediction=stored, size_bytes=len(file), measures=measures)
                )
        return results

    def _predict(
        self,
        job: LabelJob | EvaluateJob,
        digests: tuple[str, ...],
        sizes: list[tuple[int, int]],
        inputs: list[Grey],
    ) -> _Predicted:
        with self._computing:
            predictor = self._predictor_for(job.network, job.prediction, job.checkpoint)
            began = time.perf_counter()
            probabilities = predictor.probabilities(stacked(inputs))
            if self._device.type == "cuda":
                torch.cuda.synchronize()
            seconds_each = (time.perf_counter() - began) / len(digests)
        return _Predicted(
            digests=digests, sizes=sizes, probabilities=probabilities, seconds_each=seconds_each
        )

    def _load(self, job: LabelJob) -> None:
        with self._computing:
            self._predictor_for(job.network, job.prediction, job.checkpoint)

    def _predictor_for(
        self, network: NetworkParameters, prediction: PredictionParameters, checkpoint: str
    ) -> Predictor:
        prepare(self._settings)
        key = (network, prediction, checkpoint)
        if self._predictor is None or self._predictor[0] != key:
            self._predictor = None  # its network is about to get other weights
            if self._held is None or self._held.parameters != network:
                self._held = HeldNetwork.blank(network)
            self._held.take(checkpoint, self._objects)
            self._predictor = (key, Predictor(self._held.network, prediction, self._device))
        return self._predictor[1]

    def _read(
        self, digests: tuple[str, ...], size: int
    ) -> tuple[tuple[str, ...], list[tuple[int, int]], list[Grey]]:
        images = [decode_grey8(blob) for blob in self._objects.get_many(digests)]
        return (
            digests,
            [(image.shape[0], image.shape[1]) for image in images],
            [resize(image, size, size) for image in images],
        )

    def _store(self, batch: _Predicted, *, stretch: bool) -> list[SliceLabel]:
        drawn = soft_masks(batch.probabilities, batch.sizes, stretch=stretch)
        scores = scores_of(drawn, batch.probabilities)
        files = [encode_png(soft) for soft in drawn]
        masks = self._objects.put_many(files)
        return [
            SliceLabel(
                slice=digest, mask=mask, size_bytes=len(file), scores=score, compute_s=batch.seconds_each
            )
            for digest, mask, file, score in zip(batch.digests, masks, files, scores, strict=True)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Predicted:
    """A batch behind the network: (B, 1, S, S) probabilities on its device, and the slices' own (height, width)."""

    digests: tuple[str, ...]
    sizes: list[tuple[int, int]]
    probabilities: Tensor
    seconds_each: float


def soft_masks(probabilities: Tensor, sizes: Sequence[tuple[int, ...]], *, stretch: bool) -> list[Grey]:
    """Probability maps (B, 1, S, S) as 0..255, each at its slice's own (H, W).

    Without a pixel of lesion a mask is empty, not faint, unless maps are stretched.
    """
    drawn: list[Grey] = []
    for size, alike in groupby(zip(sizes, probabilities, strict=True), key=lambda pair: pair[0]):
        drawn += _soft(torch.stack([probability for _, probability in alike]), size)
    return [soft if stretch or soft.max() >= 128 else np.zeros_like(soft) for soft in drawn]


def scores_of(softs: Sequence[Grey], probabilities: Tensor) -> list[dict[str, float]]:
    """What gates look at (`facts.LabelVersion`), of soft masks (H, W) and the maps (B, 1, S, S) that they were made of."""
    peaks, doubts = probabilities.amax((1, 2, 3)).tolist(), uncertainty(probabilities).tolist()
    return [
        {"area": float((soft >= 128).mean()), "peak": peak, "uncertainty": doubt}
        for soft, peak, doubt in zip(softs, peaks, doubts, strict=True)
    ]


def _soft(probabilities: Tensor, size: tuple[int, ...]) -> Iterator[Grey]:
    """Probability maps (B, 1, S, S) at the slices' own (H, W), as 0..255. One by one a GPU would wait for each."""
    resized = resize_to(probabilities, (size[0], size[1]))[:, 0]
    yield from np.asarray(torch.round(resized * 255).to(torch.uint8).cpu().numpy(), np.uint8)


def _batches(items: Sequence[T], size: int) -> Iterator[tuple[T, ...]]:
    iterator = iter(items)
    while batch := tuple(islice(iterator, size)):
        yield batch


def ahead(function: Callable[[T], U], items: Iterable[T], threads: int) -> Iterator[U]:
    """`map(function, items)`, but each of `threads` is an item ahead of the consumer. The first ones begin at once."""
    helpers, remaining = ThreadPoolExecutor(threads), iter(items)
    first = [helpers.submit(function, item) for item in islice(remaining, threads)]

    def results() -> Iterator[U]:
        with helpers:
            pending = deque(first)
            for item in remaining:
                pending.append(helpers.submit(function, item))
                yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()

    return results()
