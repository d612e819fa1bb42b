"""Which expert mask belongs to which image of an ingest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from maskloom.platform.imaging.checks import BadImage


class Pairs:
    """An image and its mask have the same name, whatever their endings."""

    def __init__(self, images: Sequence[str], masks: Sequence[str]) -> None:
        self._images, self._masks = _by_stem(images), _by_stem(masks)

    def mask_of(self, image: str) -> str:
        """Raises BadImage where there is none, or more than one that it could be, or another image it could be for."""
        stem = _stem(image)
        images, masks = self._images[stem], self._masks.get(stem, [])
        if not masks:
            raise BadImage(f"There is no mask {stem}.png for this slice.")
        if len(images) > 1:
            raise BadImage(
                f"{' and '.join(images)} would share the mask {masks[0]}: rename one with its mask."
            )
        if len(masks) > 1:
            raise BadImage(f"It has more than one mask, {' and '.join(masks)}: remove all but one.")
        return masks[0]

    def orphans(self) -> list[str]:
        """Masks without an image."""
        return sorted(
            mask for stem, masks in self._masks.items() if stem not in self._images for mask in masks
        )


def _by_stem(names: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(_stem(name), []).append(name)
    return found


def _stem(name: str) -> str:
    return PurePosixPath(name).with_suffix("").as_posix()
