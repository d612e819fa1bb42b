"""Synthetic chest CT with lesions, for the demo and the tests; no real data can travel with the code.

Each slice is a cut through a random patient (`phantom_patient`), painted shape by shape in Hounsfield units
from the couch to the bones, and seen through a window like real CT.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from maskloom.platform.imaging.phantom_patient import LUNG_HEIGHT, Patient, random_patient

Field = NDArray[np.floating]
"""One float32 a pixel, (H, W)."""

_AIR, _LUNG, _COUCH, _FAT, _MUSCLE, _BLOOD, _MARROW, _CORTEX = -1000, -870, -250, -95, 45, 40, 260, 850


def phantom_volume(seed: int, slices: int, size: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw one patient's chest.

    About half of the slices show lesions, those at the apex none. The same arguments give the same volume.

    Args:
        seed: which patient.
        slices: how many, evenly spaced from apex to diaphragm.
        size: edge of the square slices in pixels, 64 or more to look like anything.

    Returns:
        Images uint8 (S, H, W), and lesion masks uint8 (S, H, W) of 0 and 255.
    """
    rng = np.random.default_rng(seed)
    patient = random_patient(rng)
    drawn = [_draw_slice(patient, float(z), size, rng) for z in np.linspace(0.06, 0.96, slices)]
    return np.stack([image for image, _ in drawn]), np.stack([mask for _, mask in drawn])


def _draw_slice(
    patient: Patient, z: float, size: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    canvas = _canvas(patient, z, size)
    lungs = _draw_chest(canvas, patient, z)
    _draw_vessels(canvas, patient, z, lungs)
    mask = _draw_lesions(canvas, patient, z, lungs)
    _draw_bones(canvas, patient, z)
    noise = cv2.GaussianBlur(rng.normal(0, 2.2 * patient.noise, (size, size)), (0, 0), 0.7)
    hounsfield = cv2.GaussianBlur(canvas.hounsfield, (0, 0), size / 500) + noise
    black, white = patient.window
    grey = np.clip((hounsfield - black) * (255 / (white - black)), 0, 255)
    return np.rint(grey).astype(np.uint8), mask


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Canvas:
    """A slice, or a part of it, in Hounsfield units."""

    x: Field
    y: Field
    hounsfield: Field
    pixel: float
    """Edge of a pixel in the unit of x."""

    def around(self, cx: float, cy: float, reach: float) -> _Canvas:
        """The part about a small shape, with room for tilt and bends: a tenth of the work for a rib."""
        low, high = (
            np.clip((np.array([cx, cy]) + 1 + margin) / self.pixel, 0, None).astype(int)
            for margin in (-reach - 0.2, reach + 0.2)
        )
        part = np.s_[low[1] : high[1], low[0] : high[0]]
        return replace(self, x=self.x[part], y=self.y[part], hounsfield=self.hounsfield[part])

    def ellipse(
        self, cx: float, cy: float, rx: float, ry: float, *, angle: float = 0.0, power: float = 2.0
    ) -> Field:
        """How far each pixel is outside an ellipse's edge (negative inside); a higher power squares it."""
        c, s = float(np.cos(angle)), float(np.sin(angle))
        u = ((self.x - cx) * c + (self.y - cy) * s) / rx
        v = ((self.y - cy) * c - (self.x - cx) * s) / ry
        radius = np.hypot(u, v) if power == 2 else (np.abs(u) ** power + np.abs(v) ** power) ** (1 / power)
        return (radius - 1) * min(rx, ry)

    def cover(self, outside: Field) -> Field:
        """1 inside, 0 outside, in between along the edge."""
        return np.clip(0.5 - outside / self.pixel, 0, 1)

    def paint(self, share: Field, hounsfield: float | Field) -> None:
        """Lay `hounsfield` over what is there, as opaque as `share` says."""
        self.hounsfield[...] += share * (hounsfield - self.hounsfield)


def _canvas(patient: Patient, z: float, size: int) -> _Canvas:
    axis = ((np.arange(size) + 0.5) * (2 / size) - 1).astype(np.float32)
    across, down = np.meshgrid(axis, axis)
    c, s = float(np.cos(patient.tilt)), float(np.sin(patient.tilt))
    x = c * across + s * down + 0.014 * _cloud(patient.bends[0], z, size)
    y = c * down - s * across + 0.014 * _cloud(patient.bends[1], z, size) + 0.04
    return _Canvas(x=x, y=y, hounsfield=np.full_like(x, _AIR), pixel=2 / size)


def _draw_chest(canvas: _Canvas, patient: Patient, z: float) -> Field:
    """Couch, body wall, mediastinum and lungs without their vessels; returns where lung is, 0..1."""
    width, depth = patient.width, patient.depth
    couch = np.abs(canvas.y - depth - 0.07 + 0.12 * canvas.x**2) - 0.008
    canvas.paint(canvas.cover(np.maximum(couch, np.abs(canvas.x) - 0.85)), _COUCH)
    canvas.paint(canvas.cover(canvas.ellipse(0, 0, width, depth, power=2.5)), _FAT)
    canvas.paint(canvas.cover(canvas.ellipse(0, 0.01, width - 0.06, depth - 0.05, power=2.5)), _MUSCLE)

    opening = 0.66 + 0.34 * min(1.0, z / 0.4) ** 0.7
    cavity = canvas.ellipse(0, 0, (width - 0.17) * opening, (depth - 0.12) * (0.4 + 0.6 * opening), power=2.3)
    grown = patient.heart * min(max((z - 0.35) / 0.35, 0.0), 1.0)
    heart = canvas.ellipse(0.1, -0.13, 0.12 + 0.22 * grown, 0.1 + 0.14 * grown, angle=0.5)
    hila = 0.05 * float(np.sin(9 * z)) ** 2 if z < 0.7 else 0.0
    middle = canvas.ellipse(0, -0.1, 0.1 + hila, 0.62)
    mediastinum = _union(_union(middle, canvas.ellipse(0, 0.42, 0.2, 0.26)), heart)
    for centre, start in ((-0.36, 0.68), (0.4, 0.8)):
        if z > start:
            dome = 0.75 * float(np.sqrt(z - start))
            mediastinum = np.minimum(mediastinum, canvas.ellipse(centre, -0.05, dome, dome * 0.9))

    canvas.paint(canvas.cover(_union(middle, heart)) * canvas.cover(cavity), _FAT)
    canvas.paint(canvas.cover(heart + 0.02), _BLOOD)
    aorta = (
        canvas.ellipse(0.04, -0.02, 0.13, 0.055, angle=1.1)
        if z < 0.3
        else canvas.ellipse(0.1, 0.24, 0.06, 0.06)
    )
    canvas.paint(canvas.cover(aorta), _BLOOD)
    canvas.paint(canvas.cover(canvas.ellipse(-0.07, -0.2, 0.045, 0.05)), _BLOOD)
    lungs = canvas.cover(np.maximum(cavity, -mediastinum))
    canvas.paint(lungs, _LUNG + 60 * canvas.y + 25 * _cloud(patient.clouds, z, len(lungs), finer=3))
    if z < 0.62:
        spread = max(0.0, z - 0.42)
        for side in (-1, 1):
            airway = canvas.ellipse(1.3 * side * spread, 0.06 + 0.2 * spread, 0.05 - 0.06 * spread, 0.052)
            canvas.paint(canvas.cover(airway - 0.012), _MUSCLE)
            canvas.paint(canvas.cover(airway), _AIR)
    return np.asarray(lungs)


def _union(first: Field, second: Field) -> Field:
    """Two shapes in one, the corner between them filled round."""
    near = np.maximum(0.12 - np.abs(first - second), 0) / 0.12
    return np.minimum(first, second) - near * near * 0.03


def _draw_bones(canvas: _Canvas, patient: Patient, z: float) -> None:
    """Ribs and shoulder blades, which wander with z; spine and sternum, which do not."""

    def bone(cx: float, cy: float, rx: float, ry: float, angle: float = 0.0) -> None:
        part = canvas.around(cx, cy, max(rx, ry))
        outside = part.ellipse(cx, cy, rx, ry, angle=angle)
        part.paint(part.cover(outside), _CORTEX)
        part.paint(part.cover(outside + 0.3 * min(rx, ry)), _MARROW)

    rx, ry, spacing = patient.width - 0.125, patient.depth - 0.085, 0.44
    for side in (-1, 1):
        bone(side * 0.12, 0.44, 0.09, 0.022, side * 0.5)
        bone(side * 0.06, 0.52, 0.075, 0.02, -side * 0.7)
        if z < 0.55:
            bone(side * (patient.width - 0.22), 0.34, 0.2 - 0.2 * z, 0.018, -side * 0.95)
        offset = (patient.rib_phase + 3.1 * z + 0.15 * side) % 1
        for angle in np.arange(6) * spacing - 1.1 + offset * spacing:
            along = np.arctan2(ry * np.cos(angle), -rx * np.sin(angle))
            bone(side * rx * np.cos(angle), ry * np.sin(angle), 0.085, 0.02, side * along)
    bone(0, 0.33, 0.105, 0.085)
    bone(0, 0.57, 0.02, 0.06)
    canvas.paint(canvas.cover(canvas.ellipse(0, 0.455, 0.05, 0.04)), _MUSCLE)
    bone(0, -patient.depth + 0.085, 0.08, 0.024)


def _draw_vessels(canvas: _Canvas, patient: Patient, z: float, lungs: Field) -> None:
    """What of the trees lies in the slice: branches in its plane as lines, the others as dots."""
    size = len(lungs)
    starts, ends = patient.vessels[:, 0], patient.vessels[:, 1]
    rise = ends[:, 2] - starts[:, 2]
    steps_in = (z * LUNG_HEIGHT - starts[:, 2]) / np.where(rise == 0, 1e-6, rise)
    steps_wide = (0.012 + starts[:, 3]) / np.maximum(np.abs(rise), 1e-6)
    first, last = np.clip([steps_in - steps_wide, steps_in + steps_wide], 0, 1)
    seen = np.flatnonzero(first < last)
    layer = np.zeros((size, size), np.uint8)
    for index in seen[np.argsort(starts[seen, 3])]:
        along = np.array([[first[index]], [last[index]]])
        line = starts[index, :2] + along * (ends[index, :2] - starts[index, :2])
        corners = ((line + 1) * (size / 2 * 16)).astype(int).tolist()
        width = float(starts[index, 3]) * size
        brightness = int(255 * min(1.0, 0.35 + 0.65 * width))
        cv2.line(layer, corners[0], corners[1], brightness, max(1, round(width)), cv2.LINE_AA, 4)
    softened = cv2.GaussianBlur(layer, (0, 0), max(0.4, size / 400))
    canvas.paint(lungs * softened * np.float32(1 / 255), _BLOOD)


def _draw_lesions(canvas: _Canvas, patient: Patient, z: float, lungs: Field) -> NDArray[np.uint8]:
    """Paint the lesions over lung; returns the mask an expert would draw, 0 and 255."""
    ragged = _cloud(patient.clouds, z, len(lungs))
    patchy = np.clip(0.85 + 0.15 * _cloud(patient.clouds, z + 0.5, len(lungs), finer=3), 0.4, 1)
    deepest = np.zeros_like(lungs)
    for lesion in patient.lesions:
        cx, cy, cz = lesion.centre
        rx, ry, rz = lesion.radii
        if abs(z - cz) < 2 * rz:
            radius = canvas.ellipse(cx, cy, rx, ry, angle=lesion.angle) / min(rx, ry) + 1
            inside = 1 - np.hypot(radius, (z - cz) / rz) + 0.28 * ragged
            density = np.clip(inside / 0.35, 0, 1) * lungs
            canvas.paint(density * patchy, np.maximum(canvas.hounsfield, np.float32(lesion.hounsfield)))
            deepest = np.maximum(deepest, density)
    mask = np.where(deepest > 0.4, np.uint8(255), np.uint8(0))
    return np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)), np.uint8)


def _cloud(planes: NDArray[np.float32], z: float, size: int, finer: int = 1) -> Field:
    """A cut through noise (planes, n, n) as a smooth field; `finer` repeats it so often across."""
    height = 0.8 * z * len(planes)
    lower, share = int(height) % len(planes), np.float32(height % 1)
    plane = planes[lower] * np.sqrt(1 - share) + planes[(lower + 1) % len(planes)] * np.sqrt(share)
    smooth = cv2.resize(np.tile(plane, (finer, finer)), (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth, np.float32)
