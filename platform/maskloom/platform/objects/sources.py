"""Where ingest reads images and masks from: a folder, or a prefix of an S3 bucket."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NoReturn, Protocol
from urllib.parse import quote, urlsplit

from maskloom.platform.errors import SettingsError, SourceUnreadable

if TYPE_CHECKING:
    from maskloom.platform.objects.bucket import Bucket

MAX_FILE_BYTES = 256 * 2**20
"""No slice is larger. What is does not get into memory."""
_READ_HINT = "Give this user the right to read it, or take it out of the folder."


class Source(Protocol):
    """Files below one root. Safe to share between threads."""

    def names(self) -> list[str]:
        """The names of all files, recursively, relative to the root, with forward slashes, sorted.

        Raises:
            SourceUnreadable, ObjectStoreUnavailable: the root or a folder in it cannot be listed.
        """
        ...

    def read(self, name: str) -> bytes:
        """The bytes of one file of `names`.

        Raises:
            SourceUnreadable: this file cannot be read; others may.
            ObjectStoreUnavailable: the server does not answer.
        """
        ...


def open_source(path_or_url: str) -> Source:
    """Opens a folder by its path, or an `s3://bucket/prefix?endpoint=...` by its URL, see `store.open_store`.

    Raises:
        SettingsError: there is no such folder, or the URL cannot be used.
    """
    if not path_or_url.strip():
        raise SettingsError("the path is empty", hint="Give a folder, or '.' for the one you are in.")
    if path_or_url.startswith("s3://"):
        from maskloom.platform.objects.bucket import Bucket  # noqa: PLC0415 - slow to import, see store.py

        return BucketSource(Bucket(path_or_url))
    return FolderSource(Path(path_or_url).expanduser())


def folder_below(url: str, folder: str) -> str:
    """The URL of a folder below that of a bucket's prefix; an empty one is the prefix itself.

    Raises:
        SettingsError: `folder` could lead anywhere but below.
    """
    if not folder:
        return url
    parts = folder.split("/")
    if not folder.isprintable() or "\\" in folder or any(part in {"", ".", ".."} for part in parts):
        raise SettingsError(
            f"{folder[:200]!r} is no folder of a source", hint="Write names with / between them: 2024/images."
        )
    address = urlsplit(url)
    return address._replace(path=f"{address.path.rstrip('/')}/{quote(folder)}").geturl()


class FolderSource:
    """A folder with all its subfolders, links included."""

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise SettingsError(
                f"{root} is {'a file' if root.exists() else 'not there'}, and a folder is needed",
                hint="Give the folder that holds the images, or an s3:// URL.",
            )
        self._root = root

    def names(self) -> list[str]:
        names: list[str] = []
        entered: set[tuple[int, int]] = set()
        for folder, subfolders, files in os.walk(self._root, followlinks=True, onerror=_refuse_folder):
            status = Path(folder).stat()
            if (status.st_dev, status.st_ino) in entered:  # a link to a folder above itself has no end
                subfolders.clear()
                continue
            entered.add((status.st_dev, status.st_ino))
            names.extend(Path(folder, file).relative_to(self._root).as_posix() for file in files)
        return sorted(names)

    def read(self, name: str) -> bytes:
        path = self._root / name
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device would wait for ever
                raise SourceUnreadable(
                    f"cannot read {name}: it is a pipe, a socket or a device",
                    hint="Take it out of the folder.",
                )
            _check_size(name, status.st_size)
            return path.read_bytes()
        except FileNotFoundError as error:
            what = "it is a broken link" if path.is_symlink() else "it is gone"
            raise SourceUnreadable(
                f"cannot read {name}: {what}", hint="Restore the file it names."
            ) from error
        except OSError as error:
            raise SourceUnreadable(f"cannot read {name}: {error.strerror}", hint=_READ_HINT) from error


class BucketSource:
    """All objects below a prefix."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def names(self) -> list[str]:
        return [
            key for key in self._bucket.all_keys() if not key.endswith("/")
        ]  # such a key stands for a folder

    def read(self, name: str) -> bytes:
        data = self._bucket.read(name)
        if data is None:
            raise SourceUnreadable(
                f"{name} is no longer in {self._bucket.url}", hint="List the source again."
            )
        _check_size(name, len(data))
        return data


def visible(names: Sequence[str]) -> list[str]:
    """Without the files that programs strew about: .DS_Store, .ipynb_checkpoints/, Thumbs.db."""
    return [
        name
        for name in names
        if PurePosixPath(name).name != "Thumbs.db"
        and not any(part.startswith(".") and part != ".." for part in PurePosixPath(name).parts)
    ]


def _check_size(name: str, size_bytes: int) -> None:
    if size_bytes > MAX_FILE_BYTES:
        raise SourceUnreadable(
            f"cannot read {name}: it has {size_bytes >> 20} MiB, more than a slice can have",
            hint="Take it out of the folder.",
        )


def _refuse_folder(error: OSError) -> NoReturn:
    raise SourceUnreadable(f"cannot list {error.filename}: {error.strerror}", hint=_READ_HINT) from error
