"""What a reader sees in Label Studio besides the slice: labels, colours, tools, and how to read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

FROM_NAME, TO_NAME = "mask", "ct"
IMAGE = "ct"
"""The field of a task's data with the address of its slice."""
_COLOURS = ("#ffb000", "#00c8ff", "#ff5cc8", "#7dff5c", "#b48cff", "#ff6e4a", "#5cffd6", "#f4f45c", "#9aa7ff")
"""Told apart from each other and from grey, in this order, also by most who are colour-blind."""
_OPACITY = "0.45"
_HOTKEYS = "123456789"
_NUMBERED = re.compile(r"(?P<name>.+) \((?P<number>[2-9])\)")

INSTRUCTION = """
<h3>What to do with each slice</h3>
<ul>
<li><b>The mask is right</b> (or there is rightly none): press <b>Submit</b>. This accepts it.</li>
<li><b>The mask is wrong</b>: correct it with brush and eraser, then press <b>Submit</b>.
    All that is drawn counts as one mask.</li>
<li><b>The slice cannot be read</b> (wrong organ, artefacts, you cannot tell): press <b>Skip</b>.
    Then no mask of this slice is learnt from; it does not come back.</li>
</ul>
<p>Do not submit while the slice itself is not shown. What you submitted or skipped can be changed or deleted later.</p>
"""
_TWO_MASKS = """
<p><b>Where a slice has masks of several readers</b>, they lie on each other in different colours: hide each by the eye in
the list of regions. Delete the one that is wrong, or correct what is left, then press <b>Submit</b>. Two masks that
are submitted as they were are not an answer.</p>
"""


def label(name: str, number: int) -> str:
    """The label of a class in the `number`-th mask (1, 2, ...) that a reader is shown of one slice."""
    return name if number == 1 else f"{name} ({number})"


def parse_label(text: str, classes: Sequence[str]) -> tuple[str, int] | None:
    """(class, number of the mask) of a label, or None where it is none of these classes."""
    if text in classes:
        return text, 1
    numbered = _NUMBERED.fullmatch(text)
    if numbered is None or numbered["name"] not in classes:
        return None
    return numbered["name"], int(numbered["number"])


def labelling(classes: Sequence[str], masks: int) -> str:
    """The labelling configuration (XML) for slices with up to `masks` masks each."""
    view = ElementTree.Element("View")
    image = {"name": TO_NAME, "value": f"${IMAGE}", "zoom": "true", "zoomControl": "true"}
    controls = {"brightnessControl": "true", "contrastControl": "true", "rotateControl": "false"}
    ElementTree.SubElement(view, "Image", image | controls | {"smoothing": "false"})
    brushes = ElementTree.SubElement(
        view, "BrushLabels", {"name": FROM_NAME, "toName": TO_NAME, "opacity": _OPACITY}
    )
    texts = [label(name, number) for number in range(1, masks + 1) for name in classes]
    for place, text in enumerate(texts):
        shown = {"value": text, "background": _COLOURS[place % len(_COLOURS)]}
        hotkey = {"hotkey": _HOTKEYS[place]} if place < len(_HOTKEYS) else {}
        ElementTree.SubElement(brushes, "Label", shown | hotkey)
    return ElementTree.tostring(view, encoding="unicode")


def masks_of(labelling_xml: str, classes: Sequence[str]) -> int:
    """For how many masks a slice a configuration was made; 1 where it is none of ours."""
    return next((masks for masks in range(9, 1, -1) if labelling(classes, masks) == labelling_xml), 1)


def instruction(masks: int) -> str:
    """How to read, as HTML."""
    return INSTRUCTION + (_TWO_MASKS if masks > 1 else "")
