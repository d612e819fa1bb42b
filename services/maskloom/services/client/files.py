"""Files on their way to a maskloom and from one: they go from disk to disk, and nothing large is held in memory."""

from __future__ import annotations

import hashlib
import stat
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from maskloom.pipelines.out_folder import writing
from maskloom.platform.errors import SourceUnreadable
from maskloom.platform.objects.sources import FolderSource, visible
from maskloom.services.client.transport import Transport, check
from maskloom.services.errors import ServiceUnavailable

_AT_ONCE = 1 << 20
_IN_QUOTES = {'"': '\\"', "\\": "\\\\", "\r": "%0D", "\n": "%0A"}
"""How characters of a name are written in the head of a part that cannot stand there as they are."""


def download(
    transport: Transport, path: str, out: Path, *, query: dict[str, Any] | None = None, digest: str = ""
) -> None:
    """Write what `path` answers to the file `out`, which is there once it is whole. `digest`: its sha256, where that is known.

    Raises OutputUnwritable, and what `Transport.ask` raises.
    """
    transport.insist(partial(_download, transport, path, out, query, digest))


def _download(transport: Transport, path: str, out: Path, query: dict[str, Any] | None, digest: str) -> None:
    begun = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}.partial")
    came = hashlib.sha256()
    with writing(out):
        try:
            with transport.stream(path, query=query) as answer:
                check(answer)
                with begun.open("xb") as file:
                    for chunk in answer.iter_bytes():
                        file.write(chunk)
                        came.update(chunk)
            if digest and came.hexdigest() != digest:
                raise ServiceUnavailable(f"{out.name} has not come whole", hint="Download it again.")
            begun.replace(out)
        finally:
            begun.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    head: bytes
    path: Path
    size: int


class Form:
    """The multipart/form-data that brings files: `headers`, and `body` as often as it is asked for.

    Args:
        files: what each field brings: a file, or a folder with all that is below it.

    Raises:
        SettingsError: there is no such folder.
        SourceUnreadable: a file is none that can be read.
    """

    def __init__(self, files: dict[str, Path]) -> None:
        boundary = f"maskloom-{uuid.uuid4().hex}"
        self._parts = [
            _part(boundary, field, name, path)
            for field, place in files.items()
            for name, path in _named(place)
        ]
        self._end = f"--{boundary}--\r\n".encode()
        length = sum(len(part.head) + part.size + 2 for part in self._parts) + len(self._end)
        self.headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(length),
        }

    def body(self) -> Iterator[bytes]:
        """The form, read from the disk as it is sent. Raises SourceUnreadable."""
        for part in self._parts:
            yield part.head
            yield from _content(part)
            yield b"\r\n"
        yield self._end


def _named(place: Path) -> Sequence[tuple[str, Path]]:
    if place.is_file():
        return [(place.name, place)]
    return [(name, place / name) for name in visible(FolderSource(place).names())]


def _part(boundary: str, field: str, name: str, path: Path) -> _Part:
    try:
        status = path.stat()
    except OSError as error:
        raise _unreadable(path, error.strerror or "it is gone") from error
    if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device would wait for ever
        raise _unreadable(path, "it is a pipe, a socket or a device")
    plain = "".join(_IN_QUOTES.get(letter, letter) for letter in name)
    disposition = f'form-data; name="{field}"; filename="{plain}"'
    head = f"--{boundary}\r\nContent-Disposition: {disposition}\r\nContent-Type: application/octet-stream\r\n\r\n"
    return _Part(head=head.encode(errors="surrogateescape"), path=path, size=status.st_size)


def _content(part: _Part) -> Iterator[bytes]:
    left = part.size
    try:
        with part.path.open("rb") as file:
            while left:
                chunk = file.read(min(left, _AT_ONCE))
                if not chunk:
                    raise _unreadable(part.path, "it was made shorter while it was sent")
                left -= len(chunk)
                yield chunk
    except OSError as error:
        raise _unreadable(part.path, error.strerror or "the disk says no") from error


def _unreadable(path: Path, why: str) -> SourceUnreadable:
    return SourceUnreadable(
        f"cannot read {path}: {why}", hint="Nothing was taken in: put it right, and send it again."
    )
