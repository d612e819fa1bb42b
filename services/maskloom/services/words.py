"""Figures in words, as commands and pages say them."""

from __future__ import annotations

import json
from typing import Any


def duration(seconds: float) -> str:
    """Such as 0.4 s, 34 s, 5:07 min or 1:05 h."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02} h"


def count(number: int, noun: str, plural: str = "") -> str:
    """Such as 1 slice, 1,600 slices."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def size(size_bytes: float) -> str:
    """Such as 16.2 MB."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size_bytes < 1000:
            return f"{size_bytes:.0f} {unit}" if unit == "bytes" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} TB"


def short(digest: str | None) -> str:
    """The first digits of a digest, enough for a person."""
    return digest[:12] if digest else "-"


def written(value: Any) -> str:
    """A value of a recipe, as `--set` takes it."""
    return value if isinstance(value, str) else json.dumps(value)
