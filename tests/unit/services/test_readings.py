"""Label Studio's tasks as readings: the server checks nothing, so whatever is not right has to be set aside here."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskloom.pipelines.review.readings import Reading, State, Unreadable
from maskloom.services.bridge import brush
from maskloom.services.bridge.label_studio import config
from maskloom.services.bridge.label_studio.readings import changed_at, reading_of, slice_of
from support.desks import HEIGHT, WIDTH, disc

CLASSES = ("infection", "effusion")
SLICE = "ab" * 32
SEEN_AT = "2026-11-20T10:00:00.123456Z"


def region(mask: Any = None, label: str = "infection", **fields: Any) -> dict[str, Any]:
    code = brush.encode(disc(20, 20, 7) if mask is None else mask)
    return {
        "id": "r1",
        "type": "brushlabels",
        "from_name": "mask",
        "to_name": "ct",
        "original_width": WIDTH,
        "original_height": HEIGHT,
        "image_rotation": 0,
        "origin": "manual",
        "value": {"format": "rle", "rle": code, "brushlabels": [label]},
    } | fields


def annotation(*regions: Any, **fields: Any) -> dict[str, Any]:
    made = {"id": 7, "result": list(regions), "was_cancelled": False, "updated_at": SEEN_AT, "lead_time": 3.5}
    return made | fields


def task(*annotations: Any, **data: Any) -> dict[str, Any]:
    held = {"ct": "s3://bucket/key", "slice": SLICE, "width": WIDTH, "height": HEIGHT} | data
    return {"id": 3, "data": held, "annotations": list(annotations), "updated_at": SEEN_AT, "drafts": []}


def read(found: Any) -> Reading:
    reading = reading_of(found, 5, CLASSES)
    assert isinstance(reading, Reading), reading
    return reading


def reason(found: Any) -> str:
    unreadable = reading_of(found, 5, CLASSES)
    assert isinstance(unreadable, Unreadable), unreadable
    return unreadable.reason


def test_a_submitted_mask() -> None:
    reading = read(task(annotation(region())))
    assert reading.mask is not None
    assert np.array_equal(reading.mask, disc(20, 20, 7))
    assert (reading.slice, reading.state, reading.source) == (SLICE, State.SUBMITTED, "ls/5/7")
    assert reading.changed_at == datetime(2026, 11, 20, 10, 0, 0, 123456, UTC)
    assert reading.lead_time_s == 3.5


def test_no_region_is_a_slice_without_lesion() -> None:
    mask = read(task(annotation())).mask
    assert mask is not None
    assert mask.shape == (HEIGHT, WIDTH)
    assert not mask.any()


def test_regions_of_all_classes_are_united() -> None:
    mask = read(task(annotation(region(), region(disc(40, 30, 5), "effusion")))).mask
    assert mask is not None
    assert np.array_equal(mask, disc(20, 20, 7) | disc(40, 30, 5))


def test_skipped_and_unread() -> None:
    assert read(task(annotation(was_cancelled=True))).state is State.SKIPPED
    unread = read(task())
    assert (unread.state, unread.source, unread.mask) == (State.UNREAD, "ls/5/task-3", None)


def test_the_newest_annotation_counts() -> None:
    old = annotation(region(), id=9, updated_at="2026-11-20T09:00:00Z")
    assert read(task(old, annotation(was_cancelled=True))).state is State.SKIPPED
    assert read(task(annotation(was_cancelled=True, id=6), annotation(region()))).source == "ls/5/7"


@pytest.mark.parametrize("nonsense", [None, "4", True, -1, float("nan"), float("inf"), 1e9, 10**400, [], {}])
def test_nonsense_is_no_lead_time(nonsense: Any) -> None:
    assert read(task(annotation(region(), lead_time=nonsense))).lead_time_s is None


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"type": "brush"}, "not drawn with the brush"),
        ({"from_name": "other"}, "with a tool"),
        ({"to_name": "other"}, "on an image"),
        ({"original_width": WIDTH + 1}, "not 64 x 48"),
        ({"original_height": float(HEIGHT)}, "not 64 x 48"),
        ({"image_rotation": 90}, "turned image"),
        ({"value": []}, "no JSON object"),
        ({"value": {"format": "png"}}, "run-length format"),
        ({"value": {"format": "rle", "rle": [], "brushlabels": ["tumour"]}}, "label 'tumour'"),
        ({"value": {"format": "rle", "rle": [], "brushlabels": []}}, "exactly one label"),
        ({"value": {"format": "rle", "rle": [1, 2], "brushlabels": ["infection"]}}, "cut off"),
        ({"value": {"format": "rle", "rle": "AAAA", "brushlabels": ["infection"]}}, "no list of bytes"),
    ],
)
def test_what_is_wrong_with_a_region_is_said(fields: dict[str, Any], why: str) -> None:
    assert why in reason(task(annotation(region(), region(**fields))))


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (None, "no JSON object"),
        (task(annotation(region()), slice="../etc/passwd"), "which slice"),
        (task(annotation(region()), width=1 << 40), "larger than any slice"),
        (task(annotation(region()), width=1 << 14, height=1 << 13), "larger than any slice"),
        (task(annotation(region()), width=True), "how large"),
        (task(annotation(region(), updated_at="yesterday")), "no time"),
        (task(annotation(region(), updated_at=None)), "missing"),
        (task(annotation(*[{}] * 501)), "far too long"),
        (task(annotation() | {"result": None}), "no list of regions"),
        ({"id": 1, "data": {}, "annotations": {}}, "no list of annotations"),
    ],
)
def test_what_is_wrong_with_a_task_is_said(found: Any, why: str) -> None:
    assert why in reason(found)


def test_two_masks_submitted_as_they_were_are_no_answer() -> None:
    two = [region(origin="prediction"), region(disc(40, 30, 5), "infection (2)", origin="prediction")]
    assert "several readers" in reason(task(annotation(*two)))
    assert read(task(annotation(two[1]))).state is State.SUBMITTED
    two[0]["origin"] = "prediction-changed"
    mask = read(task(annotation(*two))).mask
    assert mask is not None
    assert np.array_equal(mask, disc(20, 20, 7) | disc(40, 30, 5))


def test_what_came_is_kept_but_not_all_of_a_flood() -> None:
    unreadable = reading_of(task(annotation(region(type="x" * 1_000_000))), 5, CLASSES)
    assert isinstance(unreadable, Unreadable)
    assert len(unreadable.content) == 1 << 16
    assert unreadable.source == "ls/5/7"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to everything in a JSON value, of long lists to their beginning."""
    found = [path]
    inner = (
        value.items() if isinstance(value, dict) else enumerate(value[:6]) if isinstance(value, list) else ()
    )
    for key, each in inner:
        found += places(each, (*path, key))
    return found


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """`value` with `new` at that path."""
    if not path:
        return new
    made = copy.copy(value)
    made[path[0]] = changed(value[path[0]], path[1:], new)
    return made


GOOD = task(annotation(region()), annotation(region(disc(9, 9, 3), "infection (2)"), id=8, lead_time=9))
PLACES = places(GOOD)


@settings(max_examples=600)
@given(st.lists(st.tuples(st.sampled_from(PLACES), JSON), min_size=1, max_size=3))
def test_whatever_comes_is_a_reading_or_unreadable(mutations: list[tuple[tuple[Any, ...], Any]]) -> None:
    found = GOOD
    for path, new in sorted(mutations, key=lambda mutation: -len(mutation[0])):
        found = changed(found, path, new)
    result = reading_of(found, 5, CLASSES)
    assert isinstance(result, Reading | Unreadable)
    if isinstance(result, Reading) and result.mask is not None:
        assert result.mask.shape == (found["data"]["height"], found["data"]["width"])
        assert set(np.unique(result.mask)) <= {0, 255}
    slice_of(found)
    changed_at(found)


@settings(max_examples=300)
@given(st.data())
def test_damaged_codes_are_masks_or_unreadable(data: st.DataObject) -> None:
    code = list(GOOD["annotations"][0]["result"][0]["value"]["rle"])
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(code) - 1))
        code[place] = data.draw(st.integers(0, 255) | st.integers() | st.none() | st.text(max_size=2))
    value = {
        "format": "rle",
        "rle": code[: data.draw(st.integers(0, len(code)))],
        "brushlabels": ["infection"],
    }
    assert isinstance(reading_of(task(annotation(region(value=value))), 5, CLASSES), Reading | Unreadable)


def test_labels_of_several_masks_belong_to_their_class() -> None:
    assert config.parse_label("infection", CLASSES) == ("infection", 1)
    assert config.parse_label(config.label("effusion", 2), CLASSES) == ("effusion", 2)
    for unknown in ("infection (1)", "infection (10)", "infection(2)", "tumour (2)", ""):
        assert config.parse_label(unknown, CLASSES) is None


def test_a_configuration_says_for_how_many_masks_it_is() -> None:
    for masks in (1, 2, 3):
        assert config.masks_of(config.labelling(CLASSES, masks), CLASSES) == masks
    assert config.masks_of("<View/>", CLASSES) == 1
    assert 'value="a &lt;b&gt; &amp; &quot;c&quot;"' in config.labelling(('a <b> & "c"',), 1)
    assert json.dumps(config.instruction(2)).count("Skip") == 1
