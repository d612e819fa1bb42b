"""The object store port: what pipelines need of a place for blobs, and the one function that opens it.

Blobs are named by their content, so writing is create-only and repeating a write is harmless: a step that was
killed after its blobs were stored simply stores them again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from maskloom.platform.errors import SettingsError
from maskloom.platform.objects.local import LocalStore


class ObjectStore(Protocol):
    """Blobs by sha256 (64 lower-case hexadecimal digits). Safe to share between threads; pickles as its URL.

    Every method raises `ObjectStoreUnavailable` when the store cannot be reached or refuses the data.
    """

    @property
    def url(self) -> str:
        """The URL that `open_store` turns into this store again; holds no credentials."""
        ...

    def put(self, data: bytes) -> str:
        """Stores one blob durably and returns its digest. A blob that exists already is left as it is."""
        ...

    def put_many(self, blobs: Sequence[bytes]) -> list[str]:
        """Stores blobs side by side and returns their digests in order; all are durable when it returns."""
        ...

    def put_file(self, path: Path) -> str:
        """Stores the content of a file, of any size, as `put` does, holding little of it in memory at a time."""
        ...

    def get(self, digest: str) -> bytes:
        """The blob. Raises `ObjectMissing`, or `ObjectCorrupt` when its bytes do not match its digest."""
        ...

    def get_many(self, digests: Sequence[str]) -> list[bytes]:
        """Blobs in the order of `digests`, read side by side. Raises as `get` does."""
        ...

    def parts(self, digest: str) -> Iterator[bytes]:
        """A blob of any size in portions. Raises as `get` does: `ObjectCorrupt` before the last portion."""
        ...

    def has(self, digest: str) -> bool:
        """Whether a blob of that digest is stored (its bytes are not read)."""
        ...

    def delete(self, digest: str) -> None:
        """Removes a blob; removing one that is not there is no error."""
        ...

    def check(self) -> None:
        """Writes, reads and deletes a probe, without patience for a store that does not answer at once."""
        ...


def open_store(url: str) -> ObjectStore:
    """Opens the store that a URL names.

    Args:
        url: `file:///folder`, or `s3://bucket/prefix?endpoint=host:port&region=...&secure=true|false`.
            Credentials for S3 come from the environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.

    Raises:
        SettingsError: the URL is none of these, or credentials are missing.
    """
    scheme = urlsplit(url).scheme
    if scheme == "file":
        return LocalStore(url)
    if scheme == "s3":
        from maskloom.platform.objects.s3 import S3Store  # noqa: PLC0415 - the SDK takes 0.2 s that a folder need not pay

        return S3Store(url)
    raise SettingsError(
        "MASKLOOM_OBJECTS_URL is not the URL of an object store",  # which may hold a password
        hint="Use file:///folder or s3://bucket/prefix?endpoint=host:port.",
    )
