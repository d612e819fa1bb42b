"""Zip files from strangers. One that would be too much is refused before anything of it is unpacked."""

from __future__ import annotations

import io
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from maskloom.platform.errors import SettingsError
from maskloom.platform.objects.sources import MAX_FILE_BYTES
from maskloom.services.intake.limits import Budget

MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_PLAIN = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
"""Of the other ways to pack, Python unpacks as much at once as there is."""
_MOST_TIMES = 100
"""So many times its own size a zip of pictures never holds."""
_SMALL_BYTES = 64 << 20
_DIRECTORY_BYTES_A_FILE = 1024


def is_archive(start: bytes) -> bool:
    """Whether a file that starts like this is a zip file."""
    return start.startswith(MAGIC)


def unpack(path: Path, name: str, budget: Budget) -> Iterator[tuple[str, bytes | str]]:
    """(name, content) of each file in the zip file at `path`, or (name, why it is set aside).

    Raises SettingsError for a file that is no whole zip file or that unpacks to absurdly much, and TooMuch.
    """
    try:
        most = budget.settings.upload_files * _DIRECTORY_BYTES_A_FILE
        with _InPortions(path, most) as file, zipfile.ZipFile(file) as archive:
            files = [entry for entry in archive.infolist() if not entry.is_dir()]
            _check_sizes(path, name, files, budget)
            for entry in files:
                yield entry.filename, _refusal(entry) or _content(archive, entry)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise SettingsError(
            f"{name!r} is no whole zip file", hint="Pack it anew. Zip files of several parts cannot be read."
        ) from error


class _InPortions(io.BufferedReader):
    """A file of which nobody reads more than `most` at once: so much of a zip file's list of files is read into memory.

    Places before its beginning, to which a damaged list may lead, are damage and no fault of the disk.
    """

    def __init__(self, path: Path, most: int) -> None:
        super().__init__(io.FileIO(path))
        self._most = max(most, 1 << 20)

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = -1 if size is None else size
        if wanted > self._most:
            raise zipfile.BadZipFile("its list of files is too long")
        return super().read(wanted)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if whence == io.SEEK_SET and offset < 0:
            raise zipfile.BadZipFile("it leads to before its beginning")
        return super().seek(offset, whence)


def _check_sizes(path: Path, name: str, files: list[zipfile.ZipInfo], budget: Budget) -> None:
    budget.take_files(len(files))
    # No more than it says is ever unpacked of a file.
    whole = sum(entry.file_size for entry in files)
    if whole > max(_SMALL_BYTES, path.stat().st_size * _MOST_TIMES):
        raise SettingsError(
            f"{name!r} unpacks to {whole >> 20:,} MiB, more than pictures do",
            hint="Take out of it what is no picture.",
        )
    budget.take_bytes(whole)


def _refusal(entry: zipfile.ZipInfo) -> str | None:
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "It is a link: put the file itself into the zip file."
    if entry.flag_bits & 1:
        return "It is encrypted: pack it without a password."
    if entry.compress_type not in _PLAIN:
        return "It is packed in another way than deflate: pack it anew."
    if entry.file_size > MAX_FILE_BYTES:
        return f"It has {entry.file_size >> 20} MiB, more than a slice can have."
    return None


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes | str:
    try:
        content = archive.read(entry)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        return f"It is damaged in the zip file: {error}."
    return "It is a zip file in a zip file: unpack it." if is_archive(content) else content
