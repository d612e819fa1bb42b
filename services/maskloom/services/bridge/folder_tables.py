"""The tables and files of a reader's folder: written once, and read with the doubt that everything typed by hand deserves."""

from __future__ import annotations

import csv
import io
import stat
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from maskloom.pipelines.out_folder import write_file
from maskloom.pipelines.review.readings import Reading, State, Unreadable
from maskloom.platform.fingerprint import sha256
from maskloom.platform.imaging.checks import BadImage
from maskloom.platform.imaging.masks import read_mask

_COLUMNS = ("mask", "image", "uncertainty", "answer", "minutes", "slice")
_STATES = {
    "": State.UNREAD,
    "accept": State.SUBMITTED,
    "correct": State.SUBMITTED,
    "reject": State.SKIPPED,
}
_LARGEST_BYTES = 64 * 2**20
_CLOCK = timedelta(seconds=2)
"""File systems may tell the time of a change no more exactly than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOut:
    """A slice that a reader has: its files, its size and the digests of its masks. `written`: sha256 of the file to change."""

    slice: str
    stem: str
    table: str
    image: str
    width: int
    height: int
    uncertainty: float
    masks: tuple[str, ...]
    written: str

    @property
    def mask(self) -> str:
        """The file to change, below the reader's folder."""
        return f"masks/{self.stem}.png"


def next_name(known: Collection[str]) -> str:
    """The name of a table that is not there yet."""
    return f"tasks-{len(known) + 1:03}.csv"


def write(path: Path, handed_out: Sequence[HandedOut]) -> None:
    """Write a new table, without answers."""
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(_COLUMNS)
    for one in handed_out:
        table.writerow([one.mask, one.image, f"{one.uncertainty:.3f}", "", "", one.slice])
    write_file(path, text.getvalue().encode())


def untouched(folder: Path, one: HandedOut) -> bool:
    """Whether a reader has neither answered a slice nor changed its mask."""
    rows = _rows(folder / one.table)
    if isinstance(rows, Unreadable) or rows.get(one.slice, {"answer": ""})["answer"]:
        return False
    return sha256(_content(folder / one.mask)) == one.written


def readings(
    folder: Path, known: dict[str, HandedOut], since: datetime
) -> Iterator[tuple[datetime, Reading | Unreadable]]:
    """How the slices stand whose table or mask was changed at `since` or later, oldest change first, with its time.

    Raises OSError when the folder cannot be read.
    """
    found: list[tuple[datetime, Reading | Unreadable]] = []
    for name in sorted({one.table for one in known.values()}):
        path = folder / name
        changed_at = _changed_at(path)
        rows = _rows(path)
        if isinstance(rows, Unreadable):
            found.append((changed_at, rows))
            continue
        for slice_, row in rows.items():
            if slice_ in known:
                one = known[slice_]
                moment = max(changed_at, _changed_at(folder / one.mask))
                if moment + _CLOCK >= since:
                    found.append((moment, _reading(folder, one, row, moment)))
    yield from sorted(found, key=lambda pair: pair[0])


def _reading(folder: Path, one: HandedOut, row: dict[str, str], moment: datetime) -> Reading | Unreadable:
    source = f"{one.table} {one.stem}"
    state = _STATES.get(row["answer"])
    if state is None:
        reason = f"The answer {row['answer'][:40]!r} is none of accept, correct and reject."
        return Unreadable(source=source, reason=reason, content=b"")
    mask = None
    if state is State.SUBMITTED:
        content = b""
        try:
            content = _content(folder / one.mask)
            mask = read_mask(content, one.mask, (one.height, one.width))
        except (BadImage, OSError) as error:
            return Unreadable(source=source, reason=str(error), content=content)
    return Reading(
        slice=one.slice,
        state=state,
        source=source,
        changed_at=moment,
        mask=mask,
        lead_time_s=_seconds(row["minutes"]),
    )


def _rows(path: Path) -> dict[str, dict[str, str]] | Unreadable:
    """The lines of a table by slice, answers in small letters; spreadsheets also save with semicolons and a byte order mark."""
    if not path.exists():
        reason = f"{path.name} is gone: put it back, with the answers that were in it."
        return Unreadable(source=path.name, reason=reason, content=b"")
    content = _content(path)
    try:
        text = content.decode("utf-8-sig")
        header = text.partition("\n")[0]
        table = csv.DictReader(io.StringIO(text, newline=""), delimiter=";" if ";" in header else ",")
        rows = [{name: row[name] or "" for name in ("slice", "answer", "minutes")} for row in table]
    except (UnicodeDecodeError, csv.Error, KeyError) as error:
        reason = f"{path.name} is no table with the columns {', '.join(_COLUMNS)} any longer ({type(error).__name__})."
        return Unreadable(source=path.name, reason=reason, content=content)
    return {
        row["slice"].strip(): {"answer": row["answer"].strip().casefold(), "minutes": row["minutes"].strip()}
        for row in rows
    }


def _content(path: Path) -> bytes:
    """A regular file of decent size. Raises OSError for anything else."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f"{path.name} is no file")
    if status.st_size > _LARGEST_BYTES:
        raise OSError(f"{path.name} is larger than any mask or table")
    return path.read_bytes()


def _changed_at(path: Path) -> datetime:
    """When a file was last written; long ago where it is gone."""
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except FileNotFoundError:
        return datetime.min.replace(tzinfo=UTC)


def _seconds(minutes: str) -> float | None:
    """What a reader wrote as minutes, in seconds; None where it is no sensible number."""
    try:
        seconds = 60 * float(minutes.replace(",", "."))
    except ValueError:
        return None
    return seconds if 0 <= seconds <= 86_400 else None
