"""Slices by reference: an order of any length, cut into parts that read what they name and nothing else."""

from __future__ import annotations

import pytest

from maskloom.pipelines.slice_lists import DIGEST_BYTES, Order, SliceList, packed
from maskloom.platform.fingerprint import fingerprint, sha256

DIGESTS = [fingerprint(number) for number in range(10)]
BLOB = packed(DIGESTS)
EVERY = SliceList(order=sha256(BLOB), first=0, size=len(DIGESTS))


def test_an_order_is_32_bytes_a_slice_and_reads_as_it_was_written() -> None:
    assert len(BLOB) == DIGEST_BYTES * len(DIGESTS)
    assert list(Order(BLOB, EVERY)) == DIGESTS
    assert Order(BLOB, EVERY)[2:9:3] == DIGESTS[2:9:3]


def test_parts_hold_every_slice_once() -> None:
    parts = list(EVERY.cut(4))
    assert [part.size for part in parts] == [4, 4, 2]
    assert [slice_ for part in parts for slice_ in Order(BLOB, part)] == DIGESTS


def test_a_part_of_a_part_is_a_part() -> None:
    _, second = EVERY.cut(6)
    assert [list(Order(BLOB, part)) for part in second.cut(3)] == [DIGESTS[6:9], DIGESTS[9:]]


def test_there_is_nothing_beyond_the_end_of_a_part() -> None:
    first = Order(BLOB, next(EVERY.cut(4)))
    with pytest.raises(IndexError):
        first[4]
    assert first[2:100] == DIGESTS[2:4]


def test_an_empty_list_is_a_list() -> None:
    nothing = SliceList(order=sha256(b""), first=0, size=0)
    assert list(Order(packed([]), nothing)) == []
    assert list(nothing.cut(5)) == []


def test_parts_of_one_order_are_different_inputs_of_steps() -> None:
    assert len({fingerprint(part) for part in EVERY.cut(4)}) == 3
