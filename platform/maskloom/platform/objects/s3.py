"""The object store in an S3 bucket: what a cluster uses in place of the folder of one machine."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from maskloom.platform.objects.bucket import PATIENCE_S, THREADS, Bucket
from maskloom.platform.objects.digests import (
    digest_of,
    digest_of_file,
    missing,
    place_of,
    verified,
    verified_parts,
)

_LOOK_FIRST_BYTES = (
    1_000_000  # from here on, asking whether the blob is there is cheaper than sending it again
)


class S3Store:
    """Blobs below a prefix of a bucket. Implements `store.ObjectStore`; the bucket has to exist."""

    def __init__(self, url: str, *, patience_s: float = PATIENCE_S) -> None:
        self.url = url
        self._bucket = Bucket(url, patience_s=patience_s)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="objects")

    def __reduce__(self) -> tuple[type[S3Store], tuple[str]]:
        return S3Store, (self.url,)

    def put(self, data: bytes) -> str:
        digest = digest_of(data)
        if len(data) < _LOOK_FIRST_BYTES or not self.has(digest):
            self._bucket.create(place_of(digest), data)
        return digest

    def put_many(self, blobs: Sequence[bytes]) -> list[str]:
        return list(self._threads.map(self.put, blobs))

    def put_file(self, path: Path) -> str:
        digest = digest_of_file(path)
        if not self.has(digest):
            self._bucket.send(place_of(digest), path)
        return digest

    def get(self, digest: str) -> bytes:
        data = self._bucket.read(place_of(digest))
        if data is None:
            raise missing(digest, self.url)
        return verified(data, digest, where=f"{place_of(digest)} in {self.url}")

    def get_many(self, digests: Sequence[str]) -> list[bytes]:
        return list(self._threads.map(self.get, digests))

    def parts(self, digest: str) -> Iterator[bytes]:
        found = self._bucket.parts(place_of(digest))
        if found is None:
            raise missing(digest, self.url)
        return verified_parts(found, digest, where=f"{place_of(digest)} in {self.url}")

    def has(self, digest: str) -> bool:
        return self._bucket.has(place_of(digest))

    def delete(self, digest: str) -> None:
        self._bucket.delete(place_of(digest))

    def check(self) -> None:
        probing = S3Store(self.url, patience_s=0.0)
        probe = probing.put(b"maskloom probe " + uuid.uuid4().bytes)
        probing.get(probe)
        probing.delete(probe)
