"""Report: what a run did and how good it is, as one HTML file that needs nothing else."""

from __future__ import annotations

from maskloom.pipelines.report.page import write_report

__all__ = ["write_report"]
