"""The names of blobs, and what is said of one that is missing or damaged: alike in every store."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from maskloom.platform.errors import ObjectCorrupt, ObjectMissing

PART_BYTES = 1 << 20
"""What is held in memory of a blob that is passed on in portions."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


def digest_of(data: bytes) -> str:
    """The sha256 of `data` as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def digest_of_file(path: Path) -> str:
    """The sha256 of what a file holds."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def place_of(digest: str) -> str:
    """The place of a blob below a store's root, `ab/abcd...`: 4,000 names a folder where there are a million blobs.

    Raises:
        ValueError: `digest` is no sha256: a programming error, as digests come from stores and the catalog.
    """
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"not a sha256 digest: {digest!r}")
    return f"{digest[:2]}/{digest}"


def verified(data: bytes, digest: str, *, where: str) -> bytes:
    """`data` itself, once it is shown to be the blob that `digest` names.

    Raises:
        ObjectCorrupt: the bytes were changed after they were stored.
    """
    actual = digest_of(data)
    if actual != digest:
        raise _damaged(where, len(data), actual)
    return data


def verified_parts(parts: Iterable[bytes], digest: str, *, where: str) -> Iterator[bytes]:
    """`parts` themselves. The last one comes once they are shown to be the blob: who gets all of it got the right one.

    Raises:
        ObjectCorrupt: the bytes were changed after they were stored.
    """
    seen, size, held = hashlib.sha256(), 0, b""
    for part in parts:
        seen.update(part)
        size += len(part)
        if held:
            yield held
        held = part
    if seen.hexdigest() != digest:
        raise _damaged(where, size, seen.hexdigest())
    yield held


def _damaged(where: str, size: int, actual: str) -> ObjectCorrupt:
    return ObjectCorrupt(
        f"the blob {where} is damaged: its {size} bytes have the sha256 {actual}",
        hint="Check that disk for faults. Restore the blob from a backup, or delete and remake it.",
    )


def missing(digest: str, store_url: str) -> ObjectMissing:
    """The error for a blob that the store does not hold."""
    return ObjectMissing(
        f"the object store {store_url} holds no blob {digest}",
        hint="Check that MASKLOOM_OBJECTS_URL names the store in which this data was made.",
    )
