"""How commands speak: text for people by rich, JSON for programs, and figures in words."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from rich.console import Console, JustifyMethod
from rich.table import Table

from maskloom.pipelines.measures import in_order, measure_name

_INTERVAL_DIGITS = 3
_LOG_WIDTH = 140


def people(*, as_json: bool = False) -> Console:
    """Where people read: standard output, or standard error when standard output carries JSON."""
    # Names of files and data sets are shown as they are, whatever brackets they have.
    console = Console(stderr=as_json, highlight=False, markup=False)
    if not console.is_terminal:
        # In a log a line stays a line, however long, and tables do not squeeze into 80 columns.
        console = Console(stderr=as_json, highlight=False, markup=False, soft_wrap=True, width=_LOG_WIDTH)
    return console


def print_json(value: Any) -> None:
    """`value` (dataclasses, models and times included) as JSON on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, default=_plain) + "\n")
    sys.stdout.flush()


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, BaseModel):
        return value.model_dump()
    return str(value)


def facts_table(rows: Iterable[tuple[str, object]]) -> Table:
    """Names and values, without lines."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, str(value))
    return table


def listing(*columns: str, right: Iterable[str] = ()) -> Table:
    """An empty table with a header; the columns in `right` hold numbers. What the first names can be copied whole."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for number, column in enumerate(columns):
        justify: JustifyMethod = "right" if column in set(right) else "left"
        table.add_column(column, justify=justify, overflow="fold", no_wrap=number == 0)
    return table


def measures_table(measures: Mapping[str, Mapping[str, float]]) -> Table:
    """A row a measure: its value and its 95 % interval."""
    table = listing("measure", "value", "95 % interval", right=("value",))
    for name in in_order(measures):
        estimate = measures[name]
        value, low, high = (f"{estimate[key]:.{_INTERVAL_DIGITS}f}" for key in ("value", "low", "high"))
        table.add_row(measure_name(name), value, f"{low} to {high}")
    return table
