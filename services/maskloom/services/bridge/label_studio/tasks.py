"""A task of the port as Label Studio's JSON: the slice's address, and the masks that a reader is shown.

Masks of several readers become regions of one prediction, each with a label and colour of its own. Label Studio would also
take a prediction for each, but shows only one of those in the stream in which readers get slices by uncertainty: whoever
adjudicates would never see the second mask. Lying on each other, the masks show where they differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskloom.platform.errors import ObjectCorrupt
from maskloom.platform.fingerprint import fingerprint
from maskloom.platform.imaging.formats import BadImage, decode_grey8
from maskloom.platform.imaging.masks import binary
from maskloom.services.bridge import brush
from maskloom.services.bridge.label_studio import config
from maskloom.services.bridge.tool import Task

Json = dict[str, Any]
_ID_DIGITS = 12
_TURN, _TURNS = 1e-9, 10_000
"""What a turn adds to a score: it orders what is equally uncertain, and nothing else."""


def data_of(task: Task, address: str) -> Json:
    """What Label Studio keeps of a slice: where it is, which it is and its size. Nothing of patients or file names."""
    return {config.IMAGE: address, "slice": task.slice, "width": task.width, "height": task.height}


def prediction_of(task: Task, masks: Sequence[NDArray[np.uint8]], name: str, version: str) -> Json:
    """The prediction that shows `masks`, uint8 (H, W) of 0 and 255, as regions of class `name`.

    An empty mask has no region. Label Studio serves the lowest score first.
    """
    regions = [
        region_of(mask, config.label(name, number), region_id)
        for number, (mask, region_id) in enumerate(zip(masks, region_ids(task), strict=True), start=1)
        if mask.any()
    ]
    return {"model_version": version, "score": score_of(task), "result": regions}


def score_of(task: Task) -> float:
    """How sure the mask is, 1 sure .. 0 unsure. Label Studio leaves out predictions whose score is not 0..1."""
    sure = min(max(1.0 - task.uncertainty, 0.0), 1.0)
    return sure * (1.0 - _TURN * _TURNS) + min(task.place, _TURNS) * _TURN


def region_ids(task: Task) -> list[str]:
    """The ids of a task's regions, one a mask: if any mask or the version is another, all are others."""
    shown = fingerprint([task.version, task.masks])[:_ID_DIGITS]
    return [f"{shown}-{number}" for number in range(1, len(task.masks) + 1)]


def masks_of(task: Task, blobs: Sequence[bytes]) -> list[NDArray[np.uint8]]:
    """The masks of a task from their blobs, uint8 (H, W) of 0 and 255.

    Raises:
        ObjectCorrupt: a blob is no mask of the slice's size.
    """
    return [_mask(task, digest, blob) for digest, blob in zip(task.masks, blobs, strict=True)]


def _mask(task: Task, digest: str, blob: bytes) -> NDArray[np.uint8]:
    hint = "Was another version of maskloom, or another program, writing to the object store?"
    try:
        mask = binary(decode_grey8(blob))
    except BadImage as error:
        raise ObjectCorrupt(
            f"the mask {digest} of slice {task.slice} is no image: {error}", hint=hint
        ) from error
    if mask.shape != (task.height, task.width):
        raise ObjectCorrupt(
            f"the mask {digest} is {mask.shape[1]} x {mask.shape[0]}, its slice {task.slice} "
            f"{task.width} x {task.height}",
            hint=hint,
        )
    return mask


def region_of(mask: NDArray[np.uint8], label: str, region_id: str) -> Json:
    """A mask, uint8 (H, W) of 0 and 255, as a region of a result."""
    return {
        "id": region_id,
        "type": "brushlabels",
        "from_name": config.FROM_NAME,
        "to_name": config.TO_NAME,
        "original_width": mask.shape[1],
        "original_height": mask.shape[0],
        "image_rotation": 0,
        "value": {"format": "rle", "rle": brush.encode(mask), "brushlabels": [label]},
    }
