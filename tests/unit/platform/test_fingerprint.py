from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from maskloom.platform.facts import DatasetVersion, Split
from maskloom.platform.fingerprint import canonical, fingerprint


@dataclass(frozen=True)
class Pair:
    left: int
    right: float


def test_canonical_json_has_one_form() -> None:
    assert canonical({"b": (1, None), "a": Split.TEST, "c": Pair(1, 0.5)}) == (
        '{"a":"test","b":[1,null],"c":{"left":1,"right":0.5}}'
    )


def test_the_order_of_keys_does_not_count_but_that_of_items_does() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint([1, 2]) != fingerprint([2, 1])


def test_a_record_with_a_digest_stands_for_its_content() -> None:
    one = DatasetVersion(digest="d" * 64, dataset="lungs", parent=None, size=3)
    other = DatasetVersion(digest="d" * 64, dataset="copy", parent="e" * 64, size=4)
    assert fingerprint([one]) == fingerprint([other]) == fingerprint(["d" * 64])


@pytest.mark.parametrize(
    "value", [{1, 2}, Path("x"), object(), float("nan"), float("inf"), {1: 2}, b"x", Pair]
)
def test_what_has_no_stable_form_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        fingerprint(value)


def test_fingerprints_are_the_same_in_every_version() -> None:
    # A changed fingerprint would orphan every committed step of every user.
    assert fingerprint({"kind": "train", "inputs": {"seed": 0, "rate": 1e-4}}) == (
        "5b528dc4d08c60fe3af805aca675a351ae75711c157809dbc539371bd9227190"
    )
