"""A small data set that a test ingests by command."""

from __future__ import annotations

from pathlib import Path

import cv2

from maskloom.platform.imaging.phantom import phantom_volume
from support.commands import Shell


def ingest_chest(shell: Shell, folder: Path, *, tests: int = 0) -> None:
    """Draws 6 slices with expert masks, 12 without and `tests` for tests below `folder`; they are the data set `chest`."""
    splits = {"labelled": 6, "unlabelled": 12} | ({"test": tests} if tests else {})
    for patient, (split, slices) in enumerate(splits.items()):
        for kind, pixels in zip(("images", "masks"), phantom_volume(patient, slices, 64), strict=True):
            place = folder / split / kind
            place.mkdir(parents=True)
            for position, slice_ in enumerate(pixels, start=1):
                cv2.imwrite(str(place / f"p{patient}_{position:02}.png"), slice_)
        masks = () if split == "unlabelled" else ("--masks", folder / split / "masks")
        assert shell("ingest", folder / split / "images", *masks, "-d", "chest", "--split", split).code == 0
