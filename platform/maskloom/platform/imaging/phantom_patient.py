"""What is random about a phantom: a patient's proportions, two trees of lung vessels and a few lesions.

`phantom` draws slices of it. Lengths are in half image widths, x to the patient's left, y to the back;
heights z run from 0 at the lungs' apex to 1 at the diaphragm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LUNG_HEIGHT = 1.4
"""From z = 0 to z = 1, in the unit of x and y."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesion:
    """An ellipsoid, drawn with a ragged edge: ground glass or, denser, consolidation."""

    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    angle: float
    hounsfield: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Patient:
    """All that is random in a volume and the same in each of its slices."""

    width: float
    """Half of the body's width."""
    depth: float
    """Half of the body's depth."""
    tilt: float
    """Radians by which the patient lies turned."""
    heart: float
    """Size of the heart; 1 is average."""
    rib_phase: float
    noise: float
    """Standard deviation in HU."""
    window: tuple[float, float]
    """HU that are shown black and white."""
    vessels: NDArray[np.float32]
    """(segments, 2, 4): x, y, z x LUNG_HEIGHT and radius of both ends."""
    lesions: tuple[Lesion, ...]
    clouds: NDArray[np.float32]
    """(planes, n, n): noise that makes lesions ragged and patchy."""
    bends: NDArray[np.float32]
    """(2, planes, n, n): noise that bends x and y, for nobody is made of ellipses."""


def random_patient(rng: np.random.Generator) -> Patient:
    """Two patients in five are seen through a wide window, in which all but bone is dark."""
    dark = rng.random() < 0.4
    return Patient(
        width=rng.uniform(0.88, 0.95),
        depth=rng.uniform(0.66, 0.75),
        tilt=rng.uniform(-0.06, 0.06),
        heart=rng.uniform(0.9, 1.1),
        rib_phase=rng.uniform(0, 1),
        noise=rng.uniform(15, 45),
        window=(-1000, 1100) if dark else (rng.uniform(-1250, -1100), rng.uniform(150, 350)),
        vessels=np.concatenate([_vessel_tree(rng, side) for side in (-1, 1)]),
        lesions=_lesions(rng),
        clouds=rng.normal(size=(12, 24, 24)).astype(np.float32),
        bends=rng.normal(size=(2, 8, 7, 7)).astype(np.float32),
    )


def _vessel_tree(rng: np.random.Generator, side: int) -> NDArray[np.float32]:
    """Segments of one lung's vessels, which fork five times on their way from the hilum to the pleura."""
    count = 18
    ends = np.tile([side * 0.2, 0.02, 0.55 * LUNG_HEIGHT], (count, 1)) + rng.normal(0, 0.03, (count, 3))
    ways = rng.normal(size=(count, 3)) * [1, 1, 1.5] + [side * 0.9, 0, 0]
    radii = rng.uniform(0.013, 0.021, count)
    segments = []
    for generation in range(6):
        for _ in range(3):
            ways += rng.normal(0, 0.18, ways.shape)
            ways /= np.linalg.norm(ways, axis=1, keepdims=True)
            starts, ends = ends, ends + ways * (0.065 * 0.92**generation)
            segments.append(np.stack([np.c_[starts, radii], np.c_[ends, radii * 0.93]], axis=1))
            radii = radii * 0.93
        sideways = np.cross(ways, rng.normal(size=ways.shape))
        sideways *= rng.uniform(0.4, 0.9, (len(ways), 1)) / np.linalg.norm(sideways, axis=1, keepdims=True)
        ways, ends = np.concatenate([ways + sideways, ways - sideways]), np.tile(ends, (2, 1))
        radii = np.tile(radii * 0.78, 2)
    return np.asarray(np.concatenate(segments), np.float32)


def _lesions(rng: np.random.Generator) -> tuple[Lesion, ...]:
    """Three to seven lesions at the edge of the lungs, more of them behind, all between two heights."""
    top = rng.uniform(0.22, 0.42)
    bottom = top + rng.uniform(0.3, 0.5)
    middle = (top + bottom) / 2
    lesions = []
    for _ in range(rng.integers(3, 8)):
        side = rng.choice([-1, 1])
        angle = rng.normal(0.5, 0.6)
        rim = rng.uniform(0.65, 0.95)
        height = rng.uniform(0.09, 0.2)
        z = rng.uniform(min(top + height, middle), max(bottom - height, middle))
        thin = rng.uniform(0.08, 0.19)
        lesions.append(
            Lesion(
                centre=(side * (0.36 + 0.27 * rim * np.cos(angle)), 0.4 * rim * np.sin(angle), z),
                radii=(thin, thin * rng.uniform(1.2, 2.2), height),
                angle=side * angle,
                hounsfield=rng.uniform(-60, 20) if rng.random() < 0.3 else rng.uniform(-620, -380),
            )
        )
    return tuple(lesions)
