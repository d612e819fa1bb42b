"""The PNG export: images and masks under the same names, and a table that says where each mask comes from."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from maskloom.pipelines.export.run_folder import (
    ExportedSlice,
    ExportSummary,
    Format,
    OnProgress,
    export,
    provenance,
    silent,
    write_below,
)
from maskloom.pipelines.history import MaskRecord
from maskloom.platform.bootstrap import Platform
from maskloom.platform.imaging.formats import encode_png
from maskloom.platform.run_facts import Run

_TABLE = "provenance.csv"
_COLUMNS = ["image_file", "mask_file", *(field.name for field in fields(MaskRecord))]


def export_png(platform: Platform, run: Run, out: Path, on_progress: OnProgress = silent) -> ExportSummary:
    """`images/SPLIT/NAME.*`, `masks/SPLIT/NAME.png` (0 and 255), and `provenance.csv` with a row a mask.

    Raises NothingToDo for a run without masks, and OutputUnwritable.
    """
    return export(platform, run, out, Format(convert=_convert, collect=_collect), on_progress)


def _convert(folder: Path, item: ExportedSlice) -> dict[str, Any]:
    mask = f"masks/{item.image.with_suffix('.png')}"
    write_below(folder, mask, encode_png(item.mask))
    return {"image_file": f"images/{item.image}", "mask_file": mask, **provenance(item.record)}


def _collect(folder: Path, rows: Iterable[dict[str, Any]]) -> None:
    with (folder / _TABLE).open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, _COLUMNS)
        table.writeheader()
        table.writerows(rows)
