"""Figures as people read them."""

from __future__ import annotations

import re

from markupsafe import Markup

STEPS = {
    "train": "training",
    "label": "labelling",
    "gate": "gate",
    "merge": "merging",
    "sample": "sampling",
    "evaluate": "evaluation",
    "draw_gold": "gold slices",
    "open_review": "review",
    "collect": "readers' answers",
}


def duration(seconds: float) -> str:
    """Such as 0.40 s, 34 s, 5 min 07 s or 1 h 05 min."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def count(number: int, noun: str) -> str:
    """Such as 1 slice, 1 600 slices."""
    return f"{thousands(number)} {noun}{'' if number == 1 else 's'}"


def thousands(number: int) -> str:
    """Such as 1 600, with a thin space that does not break."""
    return f"{number:,}".replace(",", "\u202f")


def breakable(name: str) -> Markup:
    """A file name that may break after its separators, and is text all the same."""
    return Markup("<wbr>").join(re.findall(r"[^_./-]*[_./-]*", name))


def percent(share: float) -> str:
    """Such as 4.2 %, 0.03 % or 12 %."""
    value = 100 * share
    digits = 0 if value >= 10 or value == 0 else 1 if value >= 1 else 2
    return f"{value:.{digits}f}\u202f%"
