"""A pool of as many small slices as wanted, with their blobs, and a run that labels all of it in one round."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from maskloom.pipelines import drive, recipes
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import labels, slices
from maskloom.platform.facts import LabelKind, LabelVersion, Slice, Split
from maskloom.platform.imaging.formats import encode_png
from maskloom.platform.run_facts import Run

DATASET = "many"
_BACKGROUND = np.full((32, 32), 90, np.uint8)
_PORTION = 1000
_A_VOLUME = 100


def fill(platform: Platform, count: int, background: NDArray[np.uint8] = _BACKGROUND) -> None:
    """One slice that an expert has labelled, and `count` to label: `background` (H, W) with a number in its first pixels."""
    platform.database.transaction(lambda c: slices.add_dataset(c, DATASET))
    mask = encode_png(np.full_like(background, 255))
    (expert,) = _add(platform, Split.LABELLED, range(1), background)
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
        _add(platform, Split.UNLABELLED, range(first, min(first + _PORTION, count)), background)


def _add(platform: Platform, split: Split, numbers: range, background: NDArray[np.uint8]) -> list[str]:
    files = [encode_png(_numbered(background, split, number)) for number in numbers]
    height, width = background.shape
    digests = platform.objects.put_many(files)
    records = [
        Slice(
            digest=digest, dataset=DATASET, split=split, volume=f"{split} {number // _A_VOLUME}",
            position=number % _A_VOLUME, name=f"{split}_{number}.png", width=width, height=height, bits=8,
            perceptual_hash=number,
        )
        for number, digest in zip(numbers, digests, strict=True)
    ]  # fmt: skip
    blobs = [(digest, len(file), "image/png") for digest, file in zip(digests, files, strict=True)]
    platform.database.transaction(lambda c: (slices.add_blobs(c, blobs), slices.add_slices(c, records)))
    return digests


def _numbered(background: NDArray[np.uint8], split: Split, number: int) -> NDArray[np.uint8]:
    pixels = background.copy()
    pixels[0, :8] = np.frombuffer(number.to_bytes(8, "big"), np.uint8)
    pixels[0, 8] = split is Split.LABELLED
    return pixels


def a_run(platform: Platform, count: int, *, batch_size: int, seed: int, settings: Sequence[str] = ()) -> Run:
    """A run that labels the whole pool in one round and takes every label. Its networks need not be trained.

    `settings`: what is to differ from the quick recipe, as `maskloom run --set` takes it.
    """
    own = [
        "network.weights=random",
        f"sampler.group_size={count}",
        "sampler.kind=random",
        f"prediction.batch_size={batch_size}",
        "final_labels=refused",
    ]
    recipe = recipes.with_settings(recipes.named("semi-inf-net-quick"), [*own, *settings])
    run, _ = drive.create(platform, recipe, DATASET, seed)
    return run
