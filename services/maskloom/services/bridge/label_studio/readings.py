"""Label Studio's JSON of a task as a reading. The server checks nothing of what it takes, so everything is checked here."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskloom.pipelines.review.readings import Reading, State, Unreadable
from maskloom.services.bridge import brush
from maskloom.services.bridge.label_studio import config

_DIGEST = re.compile(r"[0-9a-f]{64}")
_LONGEST_SIDE = 1 << 14
_MOST_PIXELS = 1 << 26
"""No slice is larger; a larger one would only fill the memory."""
_MOST_REGIONS = 500
_LONGEST_READING_S = 24 * 3600.0
_KEPT_BYTES = 1 << 16


class _UnusableError(Exception):
    """Why an answer cannot be used, as a sentence for a person."""


def reading_of(task: Any, project: int, classes: Sequence[str]) -> Reading | Unreadable:
    """How a task stands, from its JSON with all fields. Whatever is wrong with that becomes an Unreadable."""
    source = f"ls/{project}/task-{_number(task, 'id')}"
    content = task
    try:
        answer = _newest_answer(task)
        if answer is not None:
            source, content = f"ls/{project}/{_number(answer, 'id')}", answer
        return _reading(task, answer, source, classes)
    except _UnusableError as unusable:
        return Unreadable(source=source, reason=str(unusable), content=_shortened(content))


def slice_of(task: Any) -> str | None:
    """The slice of a task's JSON, or None where it names none."""
    data = task.get("data") if isinstance(task, dict) else None
    digest = data.get("slice") if isinstance(data, dict) else None
    return digest if isinstance(digest, str) and _DIGEST.fullmatch(digest) else None


def changed_at(task: Any) -> datetime | None:
    """When anything about a task changed last, or None where that is no time."""
    try:
        return _time_of(task, "updated_at") if isinstance(task, dict) else None
    except _UnusableError:
        return None


def _reading(task: Any, answer: Any, source: str, classes: Sequence[str]) -> Reading:
    digest = slice_of(task)
    if digest is None:
        raise _UnusableError("The task does not say which slice it is: it was made by hand, or changed.")
    if answer is None:
        return Reading(
            slice=digest, state=State.UNREAD, source=source, changed_at=_time_of(task, "updated_at")
        )
    changed_at = _time_of(answer, "updated_at")
    if answer.get("was_cancelled") is True:
        return Reading(
            slice=digest,
            state=State.SKIPPED,
            source=source,
            changed_at=changed_at,
            lead_time_s=_lead_time(answer),
        )
    return Reading(
        slice=digest,
        state=State.SUBMITTED,
        source=source,
        changed_at=changed_at,
        mask=_mask(answer, _size(task), classes),
        lead_time_s=_lead_time(answer),
    )


def _newest_answer(task: Any) -> Any:
    if not isinstance(task, dict):
        raise _UnusableError("The task is no JSON object.")
    answers = task.get("annotations")
    if not isinstance(answers, list) or not all(isinstance(answer, dict) for answer in answers):
        raise _UnusableError("The task has no list of annotations.")
    return max(answers, key=_when, default=None)


def _when(answer: Any) -> tuple[datetime, int]:
    number = answer.get("id")
    return _time_of(answer, "updated_at"), number if type(number) is int else 0


def _size(task: Any) -> tuple[int, int]:
    """(width, height) of the slice."""
    width, height = task["data"].get("width"), task["data"].get("height")
    if type(width) is not int or type(height) is not int or min(width, height) < 1:
        raise _UnusableError("The task does not say how large its slice is.")
    if max(width, height) > _LONGEST_SIDE or width * height > _MOST_PIXELS:
        raise _UnusableError("The task says that its slice is larger than any slice can be.")
    return width, height


def _mask(answer: Any, size: tuple[int, int], classes: Sequence[str]) -> NDArray[np.uint8]:
    """All regions together, uint8 (H, W) of 0 and 255."""
    regions = answer.get("result")
    if not isinstance(regions, list) or len(regions) > _MOST_REGIONS:
        raise _UnusableError("The annotation has no list of regions, or far too long a one.")
    numbers = {_checked(region, size, classes) for region in regions}
    if len(numbers) > 1 and all(region.get("origin", "prediction") == "prediction" for region in regions):
        raise _UnusableError(
            "The masks of several readers were submitted as they were: keep one, or correct what is left."
        )
    width, height = size
    mask = np.zeros((height, width), np.uint8)
    for region in regions:
        try:
            mask |= brush.decode(region["value"]["rle"], width, height)
        except brush.BrushError as error:
            raise _UnusableError(f"A region cannot be read: {error}.") from error
    return mask


def _checked(region: Any, size: tuple[int, int], classes: Sequence[str]) -> int:
    """Which of the shown masks the region belongs to, once all about it is right but for its pixels."""
    if not isinstance(region, dict) or not isinstance(region.get("value"), dict):
        raise _UnusableError("A region is no JSON object with a value.")
    if region.get("type") != "brushlabels":
        raise _UnusableError("A region was not drawn with the brush, or has no label.")
    if region.get("from_name") != config.FROM_NAME or region.get("to_name") != config.TO_NAME:
        raise _UnusableError("A region was drawn with a tool or on an image that the project did not have.")
    written = region.get("original_width"), region.get("original_height")
    if not all(type(side) is int for side in written) or written != size:
        raise _UnusableError(
            f"A region was drawn on an image that is not {size[0]} x {size[1]} as the slice."
        )
    rotation = region.get("image_rotation", 0)
    if not isinstance(rotation, int | float) or rotation != 0:
        raise _UnusableError("A region was drawn on the turned image.")
    if region["value"].get("format") != "rle":
        raise _UnusableError("A region is not in the run-length format.")
    labels = region["value"].get("brushlabels")
    if not isinstance(labels, list) or len(labels) != 1 or not isinstance(labels[0], str):
        raise _UnusableError("A region does not have exactly one label.")
    known = config.parse_label(labels[0], classes)
    if known is None:
        raise _UnusableError(f"A region has the label {labels[0]!r:.60}, which the project did not have.")
    return known[1]


def _time_of(holder: Any, field: str) -> datetime:
    """A time in Label Studio's JSON; without a zone it is UTC."""
    value = holder.get(field)
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
        if time is not None:
            return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _UnusableError(f"The field {field} is no time.") from error
    raise _UnusableError(f"The field {field} is missing.")


def _lead_time(answer: Any) -> float | None:
    seconds = answer.get("lead_time")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    # In this order: a whole number may be too long for a float.
    return float(seconds) if 0 <= seconds <= _LONGEST_READING_S and math.isfinite(seconds) else None


def _number(holder: Any, field: str) -> str:
    value = holder.get(field) if isinstance(holder, dict) else None
    return str(value) if type(value) is int and 0 <= value < 1 << 63 else "unknown"


def _shortened(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, default=str).encode(errors="replace")[:_KEPT_BYTES]
