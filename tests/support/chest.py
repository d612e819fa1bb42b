"""A small data set that a test ingests by command."""

from __future__ import annotations

from pathlib import Path

import cv2

from maskloom.platform.imaging.phantom import phantom_volume
from support.commands import Shell


def ingest_chest(shell: Shell, folder: Path) -> None:
    """Draws 6 slices with expert masks and 12 without below `folder`, and makes them the data set `chest`."""
    for patient, (split, slices) in enumerate((("labelled", 6), ("unlabelled", 12))):
        for kind, pixels in zip(("images", "masks"), phantom_volume(patient, slices, 64), strict=True):
            place = folder / split / kind
            place.mkdir(parents=True)
            for position, slice_ in enumerate(pixels, start=1):
                cv2.imwrite(str(place / f"p{patient}_{position:02}.png"), slice_)
        masks = () if split == "unlabelled" else ("--masks", folder / split / "masks")
        assert shell("ingest", folder / split / "images", *masks, "-d", "chest", "--split", split).code == 0
