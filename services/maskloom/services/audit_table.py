"""The audit trail as a table for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from maskloom.platform.audit_facts import Entry
from maskloom.platform.fingerprint import canonical

COLUMNS = (
    "number",
    "at",
    "who",
    "via",
    "address",
    "action",
    "target",
    "dataset",
    "detail",
    "previous",
    "hash",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_csv(entries: Iterable[Entry]) -> tuple[int, bytes]:
    """How many entries there are, and all of them in their order as CSV in UTF-8 with a header."""
    lines = [line_of(entry) for entry in entries]
    return len(lines), (HEADER + "".join(lines)).encode()


def line_of(entry: Entry) -> str:
    """An entry as a line of the table."""
    return _line([_harmless(cell) for cell in _row(entry)])


def _line(cells: Iterable[str]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerow(cells)
    return text.getvalue()


HEADER = _line(COLUMNS)


def _row(entry: Entry) -> tuple[str, ...]:
    act = entry.act
    return (
        str(entry.number),
        entry.at.isoformat(),
        act.who,
        act.via,
        act.address,
        act.action,
        act.target,
        act.dataset or "",
        canonical(act.detail),
        entry.previous,
        entry.hash,
    )


def _harmless(cell: str) -> str:
    """A quote before what a spreadsheet would take for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
