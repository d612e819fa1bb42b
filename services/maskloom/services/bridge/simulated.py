"""Readers who are not there: they know the true mask of every slice, and draw it as imperfectly as people do.

For demonstrations and tests of a whole review. Such a reader draws lesions somewhat too large or too small, with a hand that
shakes, and now and then overlooks a small one; a mask that is near enough to what they would draw they accept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.uint8]

NEAR_ENOUGH = 0.92
"""Dice from which a reader accepts what they are shown."""
_LOOKING_S = 6.0
_PER_WRONG_PIXEL_S = 0.02
_SMALL = 0.001
"""Lesions below this share of the slice are easily overlooked."""


class Hand(Protocol):
    """Works at a desk in some tool as its reader would."""

    def unread(self) -> list[str]:
        """The slices that are still to be read, the first first."""

    def shown(self, slice_: str) -> Mask:
        """The mask that the tool shows."""

    def submit(self, slice_: str, mask: Mask, seconds: float) -> None:
        """Answer with a mask; `seconds`: how long it took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedReader:
    """One reader's habits. `bias`: by how many pixels they draw lesions too large (or, below 0, too small)."""

    name: str
    truth: Callable[[str], Mask]
    bias: float
    seed: int
    overlooks: float = 0.3
    """The share of small lesions that they do not see."""

    def read_all(self, hand: Hand) -> int:
        """Answer everything that is unread; how many slices that was."""
        slices = hand.unread()
        for slice_ in slices:
            shown, drawn = hand.shown(slice_), self.draw(slice_)
            wrong = int(np.count_nonzero(shown != drawn))
            marked = int(np.count_nonzero(shown)) + int(np.count_nonzero(drawn))
            if marked == 0 or 1 - wrong / marked >= NEAR_ENOUGH:
                hand.submit(slice_, shown, _LOOKING_S)
            else:
                hand.submit(slice_, drawn, _LOOKING_S + _PER_WRONG_PIXEL_S * wrong)
        return len(slices)

    def draw(self, slice_: str) -> Mask:
        """The mask (H, W) of 0 and 255 that this reader would draw; the same every time."""
        truth = self.truth(slice_)
        generator = np.random.default_rng([self.seed, int(slice_[:12], 16)])
        seen = np.zeros(truth.shape, bool)
        count, regions = cv2.connectedComponents((truth > 0).astype(np.uint8))
        for number in range(1, count):
            region = regions == number
            if region.mean() >= _SMALL or generator.random() >= self.overlooks:
                seen |= region
        # Signed distance to the border, moved by the habit and a slow tremor: smooth, as a hand is.
        inside = cv2.distanceTransform(seen.astype(np.uint8), cv2.DIST_L2, 5)
        outside = cv2.distanceTransform((~seen).astype(np.uint8), cv2.DIST_L2, 5)
        tremor = cv2.GaussianBlur(generator.normal(size=truth.shape), (0, 0), 6) * 12
        drawn = seen.any() & (inside - outside + self.bias + tremor > 0)
        return np.where(drawn, np.uint8(255), np.uint8(0))
