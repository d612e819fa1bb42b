"""Export: every slice of a run with its mask, and the trained network, in a folder for other programs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from maskloom.pipelines.export.coco import export_coco
from maskloom.pipelines.export.png import export_png
from maskloom.pipelines.export.run_folder import ExportSummary, OnProgress
from maskloom.platform.bootstrap import Platform
from maskloom.platform.run_facts import Run

__all__ = ["FORMATS", "ExportSummary", "export_coco", "export_png"]

FORMATS: dict[str, Callable[[Platform, Run, Path, OnProgress], ExportSummary]] = {
    "png": export_png,
    "coco": export_coco,
}
