"""A pool of as many small slices as wanted, with their blobs, and a run that labels all of it in one round."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from maskloom.pipelines import drive, recipes
from maskloom.pipelines.parameters import SamplerParameters
from maskloom.pipelines.recipes import SemiInfNet
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import labels, slices
from maskloom.platform.facts import LabelKind, LabelVersion, Slice, Split
from maskloom.platform.imaging.formats import encode_png
from maskloom.platform.run_facts import Run

DATASET = "many"
SIZE = 32
_PORTION = 1000
_A_VOLUME = 100


def fill(platform: Platform, count: int) -> None:
    """One slice that an expert has labelled, and `count` to label."""
    platform.database.transaction(lambda c: slices.add_dataset(c, DATASET))
    mask = encode_png(np.full((SIZE, SIZE), 255, np.uint8))
    (expert,) = _add(platform, Split.LABELLED, range(1))
    digest = platform.objects.put(mask)
    drawn = LabelVersion(
        digest=digest, dataset=DATASET, slice=expert, split=Split.LABELLED, kind=LabelKind.EXPERT, mask=digest,
        scores={"area": 1.0},
    )  # fmt: skip
    platform.database.transaction(
        lambda c: (
            slices.add_blobs(c, [(digest, len(mask), "image/png")]),
            labels.add_labels(c, [drawn]),
        )
    )
    for first in range(0, count, _PORTION):
        _add(platform, Split.UNLABELLED, range(first, min(first + _PORTION, count)))


def _add(platform: Platform, split: Split, numbers: range) -> list[str]:
    files = [encode_png(_pixels(split, number)) for number in numbers]
    digests = platform.objects.put_many(files)
    records = [
        Slice(
            digest=digest, dataset=DATASET, split=split, volume=f"{split} {number // _A_VOLUME}",
            position=number % _A_VOLUME, name=f"{split}_{number}.png", width=SIZE, height=SIZE, bits=8,
            perceptual_hash=number,
        )
        for number, digest in zip(numbers, digests, strict=True)
    ]  # fmt: skip
    blobs = [(digest, len(file), "image/png") for digest, file in zip(digests, files, strict=True)]
    platform.database.transaction(lambda c: (slices.add_blobs(c, blobs), slices.add_slices(c, records)))
    return digests


def _pixels(split: Split, number: int) -> Any:
    """A slice that no other number has: the number is written into its first pixels."""
    pixels = np.full((SIZE, SIZE), 40 if split is Split.LABELLED else 90, np.uint8)
    pixels[0, :8] = np.frombuffer(number.to_bytes(8, "big"), np.uint8)
    return pixels


def a_run(platform: Platform, count: int, *, batch_size: int, seed: int) -> Run:
    """A run that labels the whole pool in one round and takes every label. Its networks need not be trained."""
    quick = recipes.named("semi-inf-net-quick")
    assert isinstance(quick, SemiInfNet)
    recipe = replace(
        quick,
        network=replace(quick.network, weights="random"),
        sampler=SamplerParameters(group_size=count),
        prediction=replace(quick.prediction, batch_size=batch_size),
        final_labels="refused",
    )
    run, _ = drive.create(platform, recipe, DATASET, seed)
    return run
