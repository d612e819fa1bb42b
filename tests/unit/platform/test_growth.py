"""Dataset versions are named by what they hold, and count every slice once."""

from __future__ import annotations

from maskloom.platform.catalog.labels import growth
from maskloom.platform.facts import DatasetVersion, Item, Split

FIRST, SECOND = Item(slice="a", label="drawn"), Item(slice="b", label="guessed")
BASE = growth("lungs", [FIRST], Split.LABELLED)


def grown(added: list[Item]) -> DatasetVersion:
    return growth("lungs", added, Split.UNLABELLED, BASE.version, BASE.added).version


def test_a_version_has_its_parents_slices_and_its_own() -> None:
    assert (BASE.version.size, grown([SECOND]).size) == (1, 2)
    assert grown([SECOND]).parent == BASE.version.digest


def test_a_slice_that_gets_another_label_is_counted_once() -> None:
    assert grown([Item(slice="a", label="corrected"), SECOND]).size == 2


def test_the_order_of_what_is_added_does_not_count_but_its_labels_do() -> None:
    third = Item(slice="c", label="guessed")
    assert grown([SECOND, third]) == grown([third, SECOND])
    assert grown([SECOND]).digest != grown([Item(slice="b", label="guessed again")]).digest
    assert grown([SECOND]).digest != growth("lungs", [SECOND], Split.UNLABELLED).version.digest
