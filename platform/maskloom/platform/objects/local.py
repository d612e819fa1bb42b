"""The object store in a folder: what one machine uses when MASKLOOM_OBJECTS_URL names no other.

A blob is written to `incoming/`, flushed to the disk and renamed to `ab/abcd...`, so that no reader sees a
part of it and a power cut never takes back what a step has committed.
"""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeVar
from urllib.parse import unquote, urlsplit

from maskloom.platform.errors import ObjectStoreUnavailable, SettingsError, disk_hint
from maskloom.platform.objects.digests import (
    PART_BYTES,
    digest_of,
    digest_of_file,
    missing,
    place_of,
    verified,
    verified_parts,
)

T = TypeVar("T")
R = TypeVar("R")

_LEFTOVER_AGE_S = 3600.0  # no writer takes an hour over one blob: what is older was left by a killed one
_LARGE_BYTES = 1 << 20  # a checkpoint: it is seldom there already, and is hashed while it is written
_THREADS = 8  # enough to let the disk flush many blobs at once
_SHARE = 8
"""Blobs that a thread takes at a time: handing over a few small ones costs more than it saves."""


class LocalStore:
    """Blobs in one folder of a local or shared file system. Implements `store.ObjectStore`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._root = folder_of(url)
        self._incoming = self._root / "incoming"
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="objects")
        self._hashing = ThreadPoolExecutor(_THREADS, thread_name_prefix="hashing")
        self._made = False
        self._last_large: Path | None = None

    def __reduce__(self) -> tuple[type[LocalStore], tuple[str]]:
        return LocalStore, (self.url,)

    def put(self, data: bytes) -> str:
        with _typed_errors(f"cannot write to the object store {self._root}"):
            return self._put([data])[0]

    def put_many(self, blobs: Sequence[bytes]) -> list[str]:
        with _typed_errors(f"cannot write to the object store {self._root}"):
            return self._in_shares(self._put, blobs)

    def put_file(self, path: Path) -> str:
        with _typed_errors(f"cannot write to the object store {self._root}"):
            self._make_folders()
            digest = digest_of_file(path)
            if not _has_size(self._path(digest), path.stat().st_size):
                with path.open("rb") as source, self._arriving() as file:
                    shutil.copyfileobj(source, file, PART_BYTES)
                    _close(file)
                    Path(file.name).replace(self._path(digest))
            self._flush_names([digest])
            return digest

    def get(self, digest: str) -> bytes:
        path = self._path(digest)
        with _typed_errors(f"cannot read {path}"):
            try:
                data = path.read_bytes()
            except FileNotFoundError as error:
                raise missing(digest, self.url) from error
        return verified(data, digest, where=str(path))

    def get_many(self, digests: Sequence[str]) -> list[bytes]:
        return self._in_shares(lambda share: [self.get(digest) for digest in share], digests)

    def parts(self, digest: str) -> Iterator[bytes]:
        path = self._path(digest)
        if not self.has(digest):
            raise missing(digest, self.url)
        return verified_parts(_portions(path), digest, where=str(path))

    def has(self, digest: str) -> bool:
        with _typed_errors(f"cannot read the object store {self._root}"):
            return self._path(digest).exists()

    def delete(self, digest: str) -> None:
        with _typed_errors(f"the object store {self._root} cannot delete"):
            self._path(digest).unlink(missing_ok=True)

    def check(self) -> None:
        probe = self.put(b"maskloom probe " + uuid.uuid4().bytes)
        self.get(probe)
        self.delete(probe)

    def _path(self, digest: str) -> Path:
        return self._root / place_of(digest)

    def _in_shares(self, do: Callable[[Sequence[T]], list[R]], items: Sequence[T]) -> list[R]:
        """What `do` returns for `items`, in their order, done side by side where there are many."""
        if len(items) <= _SHARE:
            return do(items)
        shares = [items[first : first + _SHARE] for first in range(0, len(items), _SHARE)]
        calls = [self._threads.submit(do, share) for share in shares]
        wait(calls)  # so that none goes on after another failed
        return [result for call in calls for result in call.result()]

    def _put(self, blobs: Sequence[bytes]) -> list[str]:
        self._make_folders()
        digests = [digest_of(data) if len(data) < _LARGE_BYTES else self._put_large(data) for data in blobs]
        self._write(
            {
                digest: data
                for digest, data in zip(digests, blobs, strict=True)
                if len(data) < _LARGE_BYTES and not _has_size(self._path(digest), len(data))
            }
        )
        self._flush_names(digests)
        return digests

    def _write(self, blobs: Mapping[str, bytes]) -> None:
        # All are written before the first is flushed: one commit of the file system's journal covers several.
        with ExitStack() as stack:
            files = {digest: stack.enter_context(self._arriving()) for digest in blobs}
            for digest, file in files.items():
                file.write(blobs[digest])
            for file in files.values():
                _close(file)
            for digest, file in files.items():
                # Over a blob that another writer finished meanwhile: the same bytes.
                Path(file.name).replace(self._path(digest))

    def _put_large(self, data: bytes) -> str:
        hashing = self._hashing.submit(digest_of, data)
        if self._last_large is not None:
            # Who wanted the last checkpoint has read it. In its memory the next one is written in half the time.
            _forget(self._last_large)
        with self._arriving() as file:
            file.write(data)
            _close(file)
            digest = hashing.result()
            Path(file.name).replace(self._path(digest))
        self._last_large = self._path(digest)
        return digest

    @contextmanager
    def _arriving(self) -> Iterator[BinaryIO]:
        """A new file in `incoming/`. What was not renamed is gone at the end."""
        path = self._incoming / uuid.uuid4().hex
        try:
            with path.open("xb") as file:
                yield file
        finally:
            path.unlink(missing_ok=True)

    def _flush_names(self, digests: Sequence[str]) -> None:
        """Flushes names to the disk, also of a blob that was there: its writer may have died before it did so."""
        for folder in {self._path(digest).parent for digest in digests}:
            _sync_folder(folder)

    def _make_folders(self) -> None:
        """Makes all folders of the store, and their names durable, once in a process."""
        if self._made:
            return
        self._incoming.mkdir(parents=True, exist_ok=True)
        self._clear_leftovers()
        for first_digits in range(256):
            (self._root / f"{first_digits:02x}").mkdir(exist_ok=True)
        _sync_folder(self._root)
        _sync_folder(self._root.parent)
        self._made = True

    def _clear_leftovers(self) -> None:
        oldest = time.time() - _LEFTOVER_AGE_S
        for leftover in self._incoming.iterdir():
            with suppress(
                FileNotFoundError
            ):  # its writer has just finished, or another process clears as well
                if leftover.stat().st_mtime < oldest:
                    leftover.unlink()


def folder_of(url: str) -> Path:
    """The folder that a `file:///folder` URL names.

    Raises:
        SettingsError: the URL names another machine, a relative folder, or carries a query.
    """
    parts = urlsplit(url)
    path = Path(unquote(parts.path))
    if parts.netloc not in {"", "localhost"} or parts.query or parts.fragment or not path.is_absolute():
        raise SettingsError(
            f"not the URL of a folder on this machine: {url}",
            hint="Write file:// and then the absolute path, as in file:///data/maskloom "
            "(a '?', '#' or '%' in the path as %3F, %23 or %25).",
        )
    return path


def _portions(path: Path) -> Iterator[bytes]:
    with _typed_errors(f"cannot read {path}"), path.open("rb") as file:
        while part := file.read(PART_BYTES):
            yield part


def _forget(path: Path) -> None:
    """Tells the system that it need not keep the content of a file in memory."""
    if hasattr(os, "posix_fadvise"):  # not on a Mac
        with suppress(OSError), path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _has_size(path: Path, size: int) -> bool:
    """Whether the blob is there in full; a truncated one (a failing disk) is written anew. Reading finds other damage."""
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False


def _close(file: BinaryIO) -> None:
    """Closes a file whose content is then on the disk. Before it is renamed: some network file systems refuse an open one."""
    file.flush()
    os.fsync(file.fileno())
    file.close()


def _sync_folder(folder: Path) -> None:
    """Flushes the names in a folder to the disk: a renamed file is not durable before that."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _typed_errors(message: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ObjectStoreUnavailable(
            f"{message}: {error.strerror or error}", hint=disk_hint(error)
        ) from error
