from __future__ import annotations

from maskloom.pipelines.steps import doubts
from maskloom.platform.facts import Slice, Split
from maskloom.platform.imaging.naming import name_pattern, read_name


def slices(split: Split, *names: str, hashes: int = 0) -> list[Slice]:
    """Slices that look like nothing else: each hash half of its bits away from those with another `hashes`."""
    return [
        made(split, name, (hashes * 1000 + number) * 0x9E3779B97F4A7C15)
        for number, name in enumerate(names, 1)
    ]


def made(split: Split, name: str, look: int) -> Slice:
    place = read_name(name, name_pattern())
    look &= 2**63 - 1
    return Slice(
        digest=f"{split}/{name}/{look}", dataset="lungs", split=split, volume=place.volume, position=place.position, name=name,
        width=8, height=8, bits=8, perceptual_hash=look,
    )  # fmt: skip


def test_nothing_new_is_nothing_to_doubt() -> None:
    old = slices(Split.TEST, "patient_1.png", "patient_1.png")
    assert doubts.about([], old) == []


def test_a_volume_in_the_test_split_and_another_is_told_once() -> None:
    old = slices(Split.LABELLED, "patient1_1.png", "patient1_2.png", "patient2_1.png")
    new = slices(Split.TEST, "patient1_7.png", "patient1_8.png", "patient3_1.png", hashes=1)
    (said,) = doubts.about(new, old + new)
    assert said.startswith("volume patient1 is in the splits labelled and test")


def test_the_pool_may_share_volumes_with_the_experts() -> None:
    old = slices(Split.LABELLED, "patient1_1.png")
    new = slices(Split.UNLABELLED, "patient1_2.png", hashes=1)
    assert doubts.about(new, old + new) == []


def test_lone_names_tell_of_no_volume() -> None:
    old = slices(Split.LABELLED, "1.png", "2.png")
    new = slices(Split.TEST, "1.png", "2.png", hashes=1)
    assert doubts.about(new, old + new) == []


def test_two_slices_at_one_place_may_be_of_two_patients() -> None:
    old = slices(Split.UNLABELLED, "patient1_1.png", "patient1_2.png", "7.png")
    new = slices(Split.UNLABELLED, "patient1_1.png", "patient1_2.png", "7.png", "8.png", hashes=1)
    said = doubts.about(new, old + new)
    assert [sentence.split(" has ")[0] for sentence in said] == ["volume 7", "volume patient1"]
    assert "patient1_2.png" in said[1]


def test_a_lookalike_in_another_split_is_named() -> None:
    old = [made(Split.TEST, "t.png", 0b1111)]
    new = [made(Split.LABELLED, "near.png", 0b1110), made(Split.LABELLED, "far.png", 2**40 - 1)]
    assert doubts.about(new, old + new) == [
        "near.png looks like t.png of the split test (1 of 64 bits differ)"
    ]
