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
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(COLUMNS)
    count = 0
    for count, entry in enumerate(entries, start=1):  # noqa: B007 - the last one is how many
        table.writerow([_harmless(cell) for cell in _row(entry)])
    return count, text.getvalue().encode()


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
