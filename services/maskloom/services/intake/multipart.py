"""multipart/form-data to files on the disk, as it comes: nothing of it stays in memory."""

from __future__ import annotations

from collections.abc import AsyncIterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from anyio import to_thread
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from maskloom.platform.errors import OutputUnwritable, SettingsError, disk_hint
from maskloom.services.intake.limits import Budget

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_AT_ONCE = 1 << 20
_HELP = "Send multipart/form-data with files in the fields `images` and `masks`."


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A file that came: the form's field, the name that its sender gave it, and where its content is."""

    field: str
    name: str
    path: Path


async def receive(content_type: str, stream: AsyncIterable[bytes], budget: Budget) -> list[Part]:
    """The files that a request's body brings, below `budget.folder`.

    Raises SettingsError for what is not whole or no multipart, TooMuch, and what `stream` raises.
    """
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not boundary:
        raise SettingsError("the request brings no files", hint=_HELP)
    writer = _Writer(budget)
    try:
        parser = MultipartParser(boundary, writer.callbacks())
        waiting = bytearray()
        async for chunk in stream:
            waiting += chunk
            if len(waiting) >= _AT_ONCE:
                await to_thread.run_sync(writer.write, parser, bytes(waiting))
                waiting.clear()
        await to_thread.run_sync(writer.write, parser, bytes(waiting))
    except FormParserError as error:
        raise SettingsError("the request is no multipart/form-data", hint=_HELP) from error
    finally:
        writer.close()
    if not writer.whole:
        raise SettingsError("the request ends before its last file does", hint="Send it again.")
    return writer.parts


class _Writer:
    """Writes parts to files as the parser finds them."""

    def __init__(self, budget: Budget) -> None:
        self.parts: list[Part] = []
        self.whole = False
        self._budget = budget
        self._header = bytearray()
        self._value = bytearray()
        self._disposition = b""
        self._file: BinaryIO | None = None

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header_ends,
            "on_headers_finished": self._open,
            "on_part_data": self._write,
            "on_part_end": self.close,
            "on_end": self._end,
        }

    def write(self, parser: MultipartParser, data: bytes) -> None:
        """Go on with the next bytes of the body."""
        self._budget.take_bytes(len(data))
        try:
            parser.write(data)
        except OSError as error:
            raise OutputUnwritable(
                f"cannot write {self._budget.folder}: {error.strerror}", hint=disk_hint(error)
            ) from error

    def close(self) -> None:
        """Close the file that is open."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _begin(self) -> None:
        self._disposition = b""

    def _header_ends(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _open(self) -> None:
        _, options = parse_options_header(self._disposition)
        field, name = options.get(b"name", b"").decode(errors="replace"), options.get(b"filename")
        if name is None or field not in {"images", "masks"}:
            raise SettingsError(f"the request has a part {field[:64]!r} that is no such file", hint=_HELP)
        self._budget.take_files(1)
        path = self._budget.folder / str(len(self.parts))
        self.parts.append(Part(field=field, name=name.decode(errors="backslashreplace"), path=path))
        self._file = path.open("wb")

    def _write(self, data: bytes, start: int, end: int) -> None:
        assert self._file is not None, "data comes after headers"
        self._file.write(data[start:end])

    def _end(self) -> None:
        self.whole = True
