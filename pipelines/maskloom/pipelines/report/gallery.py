"""The report's gallery: slices with outlines of lesions, blue where an expert drew them, orange where the network did.

An outline is a vector over the picture, so that it stays sharp when enlarged and can be switched off.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from maskloom.pipelines.history import MaskRecord
from maskloom.pipelines.report.reading import Assessment, RunFacts
from maskloom.pipelines.report.words import percent
from maskloom.platform.facts import Slice
from maskloom.platform.imaging.formats import decode_grey8, resize
from maskloom.platform.objects.store import ObjectStore

Grey = NDArray[np.uint8]

HALF = 128
"""Grey value of a soft mask from which a pixel is lesion."""
PICKED = 6
TESTED = 12
_LARGEST = 640
"""Pictures are embedded at most so many pixels wide or high, to keep the file small."""
_QUALITY = 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A mask's outline as an SVG path in the slice's pixels; `who` is expert or network."""

    who: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A slice to look at. `source` is a data URL."""

    anchor: str
    name: str
    description: str
    notes: tuple[str, ...]
    source: str
    width: int
    height: int
    outlines: tuple[Outline, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Pictures that belong together, and what they show."""

    title: str
    explanation: str
    pictures: tuple[Picture, ...]


def groups(facts: RunFacts, objects: ObjectStore) -> list[Group]:
    """The gallery: test slices, the network's masks from surest to least sure, and the experts'."""
    with_lesion = [mask for mask in facts.pseudo if mask.area]
    without = [mask for mask in facts.pseudo if mask.area == 0]
    surest = sorted(with_lesion, key=lambda mask: mask.uncertainty or 0.0)
    shuffled = random.Random(facts.run.id).sample(facts.pseudo, len(facts.pseudo))
    experts = random.Random(facts.run.id).sample(facts.experts, len(facts.experts))
    wanted = [
        ("Surest", "The network's least uncertain masks with a lesion.", surest),
        (
            "Least sure",
            "Its most uncertain masks with a lesion: look at these first when reviewing.",
            surest[::-1],
        ),
        ("At random", "A fair sample of the network's masks.", shuffled),
        (
            "Free of lesions",
            "Empty masks, the least certain first: the place to look for missed lesions.",
            sorted(without, key=lambda mask: -(mask.uncertainty or 0.0)),
        ),
        ("By experts", "What the network learnt from.", experts),
    ]
    made = [_tested(facts, objects, assessment) for assessment in facts.assessments[:1] if assessment.masks]
    for number, (title, explanation, masks) in enumerate(wanted):
        picked = masks[:PICKED] if masks is shuffled else _spread(masks, PICKED)
        if picked:
            pictures = _pictures_of_masks(facts, objects, picked, f"p{number}")
            made.append(Group(title=title, explanation=explanation, pictures=pictures))
    return made


def _tested(facts: RunFacts, objects: ObjectStore, assessment: Assessment) -> Group:
    rows = sorted(assessment.measured.slices, key=lambda row: row.figures["dice"])
    places = np.unique(np.linspace(0, len(rows) - 1, TESTED).round().astype(int))
    pictures = []
    for number, row in enumerate(rows[place] for place in places):
        one = facts.slices[row.slice]
        layers = [("expert", assessment.masks[one.digest].mask), ("network", row.prediction)]
        notes = (f"Dice {row.figures['dice']:.2f}",)
        pictures.append(
            _picture(objects, one, layers, f"t{number}", notes, "expert's and network's outlines")
        )
    return Group(
        title=f"Expert and network on {assessment.fact.split} slices",
        explanation="From the worst to the best Dice, evenly spread. The network has not seen these slices.",
        pictures=tuple(pictures),
    )


def _pictures_of_masks(
    facts: RunFacts, objects: ObjectStore, masks: Iterable[MaskRecord], prefix: str
) -> tuple[Picture, ...]:
    pictures = []
    for number, mask in enumerate(masks):
        who = "expert" if mask.checkpoint is None else "network"
        notes = ["no lesion" if mask.area == 0 else f"lesion {percent(mask.area)}" if mask.area else ""]
        if mask.uncertainty is not None:
            notes.append(f"uncertainty {mask.uncertainty:.2f}")
        notes.append(mask.stage if mask.kept is not False else f"{mask.stage}, refused")
        pictures.append(
            _picture(
                objects,
                facts.slices[mask.slice],
                [(who, mask.mask)],
                f"{prefix}-{number}",
                tuple(note for note in notes if note),
                f"{who}'s outline",
            )
        )
    return tuple(pictures)


def _picture(
    objects: ObjectStore,
    one: Slice,
    layers: Sequence[tuple[str, str]],
    anchor: str,
    notes: tuple[str, ...],
    shown: str,
) -> Picture:
    image, *masks = (
        decode_grey8(blob) for blob in objects.get_many([one.digest, *(mask for _, mask in layers)])
    )
    return Picture(
        anchor=anchor,
        name=one.name,
        description=f"CT slice {one.name} with the {shown}: {', '.join(notes)}",
        notes=notes,
        source=_embedded(image),
        width=one.width,
        height=one.height,
        outlines=tuple(
            Outline(who=who, path=_outline(mask)) for (who, _), mask in zip(layers, masks, strict=True)
        ),
    )


def _embedded(image: Grey) -> str:
    """The picture as a data URL of WebP, shrunk where it is larger than a page shows."""
    scale = min(1.0, _LARGEST / max(image.shape))
    small = resize(image, round(image.shape[0] * scale), round(image.shape[1] * scale))
    done, encoded = cv2.imencode(".webp", small, (cv2.IMWRITE_WEBP_QUALITY, _QUALITY))
    assert done, "WebP encoding of a valid array cannot fail"
    return "data:image/webp;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")


def _outline(mask: Grey) -> str:
    """Closed curves around the lesions (and holes in them), through the outermost pixels."""
    lesion = (mask >= HALF).astype(np.uint8)
    curves, _ = cv2.findContours(lesion, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    return "".join(
        "M" + "L".join(f"{x + 0.5:g} {y + 0.5:g}" for x, y in curve[:, 0].tolist()) + "Z" for curve in curves
    )


def _spread(masks: Sequence[MaskRecord], wanted: int) -> list[MaskRecord]:
    """The first `wanted` of `masks`, at first one of each volume: neighbours in a volume look alike."""
    seen: set[str] = set()
    fresh: list[MaskRecord] = []
    again: list[MaskRecord] = []
    for mask in masks:
        (again if mask.volume in seen else fresh).append(mask)
        seen.add(mask.volume)
    return (fresh + again)[:wanted]
