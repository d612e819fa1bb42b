"""The report's gallery: slices with outlines of lesions, blue where a person drew them, orange where the network did.

An outline is a vector over the picture, so that it stays sharp when enlarged and can be switched off.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from maskloom.pipelines.history import MaskRecord
from maskloom.pipelines.report.reading import Assessment, RunFacts
from maskloom.pipelines.report.words import percent
from maskloom.platform.facts import LabelKind, Slice
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
    more: tuple[str, ...]
    """What is shown once the picture is enlarged."""
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
    experts.sort(key=lambda mask: mask.area == 0)
    wanted = [
        ("Surest masks", "The network's least uncertain masks with a lesion.", surest),
        (
            "Least sure masks",
            "Its most uncertain masks with a lesion: look at these first when reviewing.",
            surest[::-1],
        ),
        ("Masks at random", "A fair sample of the network's masks.", shuffled),
        (
            "Empty masks",
            "Slices that the network found free of lesions, the least certain first: look here for missed ones.",
            sorted(without, key=lambda mask: -(mask.uncertainty or 0.0)),
        ),
        ("Expert masks", "What the network learnt from.", experts),
    ]
    made = [_tested(facts, objects, assessment) for assessment in facts.assessments[:1] if assessment.masks]
    made += _corrected(facts, objects)
    for number, (title, explanation, masks) in enumerate(wanted):
        picked = masks[:PICKED] if masks is shuffled else _spread(masks, PICKED)
        if picked:
            pictures = [
                _picture_of_mask(facts, objects, mask, f"mask-{number}-{place}")
                for place, mask in enumerate(picked)
            ]
            made.append(Group(title=title, explanation=explanation, pictures=tuple(pictures)))
    return made


def _tested(facts: RunFacts, objects: ObjectStore, assessment: Assessment) -> Group:
    rows = sorted(assessment.measured.slices, key=lambda row: row.figures["dice"])
    places = np.unique(np.linspace(0, len(rows) - 1, TESTED).round().astype(int))
    network = f"network {assessment.fact.checkpoint[:12]}"
    pictures = [
        _picture(
            objects,
            facts.slices[row.slice],
            {"expert": assessment.masks[row.slice].mask, "network": row.prediction},
            f"tested-{number}",
            notes=(f"Dice {row.figures['dice']:.2f}",),
            more=(network,),
        )
        for number, row in enumerate(rows[place] for place in places)
    ]
    has = "was trained on" if assessment.seen else "has not learnt from"
    return Group(
        title=f"Expert and network on {assessment.fact.split} slices",
        explanation=f"From the worst to the best Dice, evenly spread. The network {has} these slices.",
        pictures=tuple(pictures),
    )


def _corrected(facts: RunFacts, objects: ObjectStore) -> list[Group]:
    """The masks that readers changed, beside what they were shown."""
    shown = {label.slice: label.mask for one in facts.rounds for label in (*one.kept, *one.refused)}
    corrected = [mask for mask in facts.of_kind(LabelKind.CORRECTED) if mask.slice in shown]
    pictures = [
        _picture(
            objects,
            facts.slices[mask.slice],
            {"network": shown[mask.slice], "expert": mask.mask},
            f"corrected-{number}",
            notes=(f"by {mask.reader}" if mask.reader else "by several readers",),
            more=(f"volume {mask.volume}", f"position {mask.position}"),
        )
        for number, mask in enumerate(_spread(corrected, PICKED))
    ]
    if not pictures:
        return []
    explanation = "What readers made of the network's masks."
    return [Group(title="Corrected masks", explanation=explanation, pictures=tuple(pictures))]


def _picture_of_mask(facts: RunFacts, objects: ObjectStore, mask: MaskRecord, anchor: str) -> Picture:
    notes = [] if mask.area is None else [f"lesion {percent(mask.area)}" if mask.area else "no lesion"]
    if mask.uncertainty is not None:
        notes.append(f"uncertainty {mask.uncertainty:.2f}")
    more = [mask.stage, f"volume {mask.volume}", f"position {mask.position}"]
    if mask.gate is not None:
        more.append(f"gate {mask.gate}: {mask.reason}")
    if mask.checkpoint is not None:
        more.append(f"network {mask.checkpoint[:12]}, seed {mask.seed}")
    who = "network" if mask.kind is LabelKind.PSEUDO else "expert"
    one = facts.slices[mask.slice]
    return _picture(objects, one, {who: mask.mask}, anchor, notes=tuple(notes), more=tuple(more))


def _picture(
    objects: ObjectStore,
    one: Slice,
    masks: dict[str, str],
    anchor: str,
    *,
    notes: tuple[str, ...],
    more: tuple[str, ...],
) -> Picture:
    """`masks`: the digests of masks to outline, by who drew them."""
    image, *drawn = (decode_grey8(blob) for blob in objects.get_many([one.digest, *masks.values()]))
    whose = " and ".join(f"the {who}'s" for who in masks)
    return Picture(
        anchor=anchor,
        name=one.name,
        description=f"CT slice {one.name} with {whose} outline: {', '.join(notes)}",
        notes=notes,
        more=more,
        source=_embedded(image),
        width=one.width,
        height=one.height,
        outlines=tuple(Outline(who=who, path=_outline(mask)) for who, mask in zip(masks, drawn, strict=True)),
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
