"""The COCO export: one JSON file of instances beside the images, for training and viewing programs.

An instance is a lesion: a connected part of a mask (pixels that meet at a corner are connected), with its
own box, area and compressed RLE. All instances of an image together are its mask, pixel by pixel. Each
carries the provenance of its mask in `attributes`, and so does each image, because a slice without lesions
has no instance.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from maskloom.pipelines.export.run_folder import (
    ExportedSlice,
    ExportSummary,
    Format,
    OnProgress,
    export,
    provenance,
    silent,
    write_below,
)
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import slices
from maskloom.platform.run_facts import Run

_INSTANCES = "instances.json"
_LESION = 1
"""Category of all instances: binary masks mark the first class of their data set."""

Entry = tuple[dict[str, Any], list[dict[str, Any]]]
"""An image and its instances, still without their numbers."""


def export_coco(platform: Platform, run: Run, out: Path, on_progress: OnProgress = silent) -> ExportSummary:
    """`images/SPLIT/NAME.*`, and `instances.json` whose `file_name`s are below `images/`.

    Raises NothingToDo for a run without masks, and OutputUnwritable.
    """
    classes = platform.database.transaction(lambda connection: slices.classes(connection, run.dataset))
    collect = partial(_collect, f"{run.dataset}, labelled by maskloom run {run.id}", classes)
    return export(platform, run, out, Format(convert=_convert, collect=collect), on_progress)


def _convert(_folder: Path, item: ExportedSlice) -> Entry:
    height, width = item.mask.shape
    attributes = provenance(item.record)
    image = {"file_name": str(item.image), "width": width, "height": height, "attributes": attributes}
    _, lesions = cv2.connectedComponents(item.mask, connectivity=8)
    return image, [
        {
            "category_id": _LESION,
            "segmentation": {"size": [height, width], "counts": rle["counts"].decode("ascii")},
            "area": int(coco_mask.area(rle)),
            "bbox": coco_mask.toBbox(rle).tolist(),
            "iscrowd": 0,
            "attributes": attributes,
        }
        for number in range(1, int(lesions.max()) + 1)
        for rle in [coco_mask.encode(np.asfortranarray(lesions == number, np.uint8))]
    ]


def _collect(description: str, classes: list[str], folder: Path, entries: Iterable[Entry]) -> None:
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image, instances in entries:
        images.append({"id": len(images) + 1, **image})
        for instance in instances:
            annotations.append({"id": len(annotations) + 1, "image_id": len(images), **instance})
    content = {
        "info": {"description": description},
        "licenses": [],
        "categories": [
            {"id": number, "name": name, "supercategory": "lesion"} for number, name in enumerate(classes, 1)
        ],
        "images": images,
        "annotations": annotations,
    }
    write_below(folder, _INSTANCES, json.dumps(content, ensure_ascii=False).encode())
