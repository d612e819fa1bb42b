"""The actor that labels and measures: reads slices, runs the network, and stores masks, each in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from maskloom.models.inference import Predictor, resize_to, uncertainty
from maskloom.models.parameters import NetworkParameters, PredictionParameters
from maskloom.pipelines.jobs import EvaluateJob, LabelJob, SliceLabel, WorkerSettings
from maskloom.pipelines.workers.place import NetworkCache, prepare, stacked
from maskloom.platform.imaging.formats import decode_grey8, encode_png, resize
from maskloom.platform.objects.store import open_store

T = TypeVar("T")
U = TypeVar("U")

Grey = NDArray[np.uint8]


class Labeller:
    """One worker of the labelling pool."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._objects = open_store(settings.objects_url)
        self._device = prepare(settings)
        self._networks = NetworkCache(self._objects, self._device)
        self._predictor: tuple[tuple[str, PredictionParameters], Predictor] | None = None

    def label(self, job: LabelJob) -> list[SliceLabel]:
        """Store a soft mask for each slice of `job`, in its order."""
        predictor = self._predictor_for(job.network, job.prediction, job.checkpoint)
        size, stretch = job.prediction.size, job.prediction.stretch
        batches = _batches(job.slices, job.prediction.batch_size)
        read = ahead(lambda digests: self._read(digests, size), batches)
        predicted = (
            (digests, originals, predictor.probabilities(stacked(inputs)))
            for digests, originals, inputs in read
        )
        stored = ahead(lambda batch: self._store(*batch, stretch=stretch), predicted)
        return [label for batch in stored for label in batch]

    def evaluate(self, job: EvaluateJob) -> list[Any]:
        """`SliceMeasures` of each pair of `job`, in its order, at the mask's own size."""
        from maskloom.models import metrics

        predictor = self._predictor_for(job.network, job.prediction, job.checkpoint)
        measures = []
        for pairs in _batches(job.pairs, job.prediction.batch_size):
            _, _, inputs = self._read(tuple(image for image, _ in pairs), job.prediction.size)
            masks = [decode_grey8(blob) for blob in self._objects.get_many([mask for _, mask in pairs])]
            for probability, mask in zip(predictor.probabilities(stacked(inputs)), masks, strict=True):
                measures.append(metrics.measure(_soft(probability, mask.shape), mask))  # noqa: PERF401
        return measures

    def _predictor_for(
        self, network: NetworkParameters, prediction: PredictionParameters, checkpoint: str
    ) -> Predictor:
        prepare(self._settings)
        key = (checkpoint, prediction)
        if self._predictor is None or self._predictor[0] != key:
            loaded = self._networks.get(network, checkpoint)
            self._predictor = (key, Predictor(loaded, prediction, self._device))
        return self._predictor[1]

    def _read(self, digests: tuple[str, ...], size: int) -> tuple[tuple[str, ...], list[tuple[int, int]], list[Grey]]:
        images = [decode_grey8(blob) for blob in self._objects.get_many(digests)]
        return digests, [image.shape[:2] for image in images], [resize(image, size, size) for image in images]

    def _store(
        self, digests: tuple[str, ...], sizes: list[tuple[int, int]], probabilities: Tensor, *, stretch: bool
    ) -> list[SliceLabel]:
        scores, files = [], []
        doubts = uncertainty(probabilities).tolist()
        for probability, size, doubt in zip(probabilities, sizes, doubts, strict=True):
            soft = _soft(probability, size)
            if soft.max() < 128 and not stretch:
                soft = np.zeros_like(soft)  # abstain: without a pixel of lesion the mask is empty, not faint
            area, peak = float((soft >= 128).mean()), float(probability.max())
            scores.append({"area": area, "peak": peak, "uncertainty": doubt})
            files.append(encode_png(soft))
        masks = self._objects.put_many(files)
        return [
            SliceLabel(slice=digest, mask=mask, size_bytes=len(file), scores=score)
            for digest, mask, file, score in zip(digests, masks, files, scores, strict=True)
        ]


def _soft(probability: Tensor, size: tuple[int, ...]) -> Grey:
    """A probability map (1, S, S) at the slice's own (H, W), as 0..255."""
    resized = resize_to(probability[None], (size[0], size[1]))[0, 0]
    return np.asarray(torch.round(resized * 255).to(torch.uint8).cpu().numpy(), np.uint8)


def _batches(items: tuple[T, ...], size: int) -> Iterator[tuple[T, ...]]:
    iterator = iter(items)
    while batch := tuple(islice(iterator, size)):
        yield batch


def ahead(function: Callable[[T], U], items: Any) -> Iterator[U]:
    """`map(function, items)` with `function` one item ahead of the consumer, in a thread."""
    with ThreadPoolExecutor(1) as thread:
        pending = None
        for item in items:
            coming = thread.submit(function, item)
            if pending is not None:
                yield pending.result()
            pending = coming
        if pending is not None:
            yield pending.result()
