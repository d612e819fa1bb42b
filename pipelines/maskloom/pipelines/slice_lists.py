"""Slices in an order, by reference: a step that names a million of them is as short as one that names five.

The order itself is a blob of the object store, 32 bytes for each slice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceList:
    """`size` slices of those that the blob `order` names, from the one at place `first` on."""

    order: str
    first: int
    size: int

    def cut(self, size: int) -> Iterator[SliceList]:
        """This list in parts of that size; the last may be shorter."""
        for start in range(0, self.size, size):
            yield SliceList(order=self.order, first=self.first + start, size=min(size, self.size - start))


def packed(digests: Iterable[str]) -> bytes:
    """The content of the blob that names these slices in this order."""
    return b"".join(map(bytes.fromhex, digests))


class Order(Sequence[str]):
    """The slice digests of a list, read from its blob as they are asked for."""

    def __init__(self, blob: bytes, named: SliceList) -> None:
        self._bytes = memoryview(blob)[named.first * DIGEST_BYTES : (named.first + named.size) * DIGEST_BYTES]

    def __len__(self) -> int:
        return len(self._bytes) // DIGEST_BYTES

    def __getitem__(self, place: int | slice) -> str | list[str]:  # type: ignore[override]
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]  # type: ignore[misc]
        if not 0 <= place < len(self):
            raise IndexError(place)
        return self._bytes[place * DIGEST_BYTES : (place + 1) * DIGEST_BYTES].hex()
