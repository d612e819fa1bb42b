"""What comes back from readers, before it is known to be of use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class State(StrEnum):
    """How a task stands."""

    UNREAD = "unread"
    SUBMITTED = "submitted"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reading:
    """How one reader's task stands. `mask`: uint8 (H, W) of 0 and 255, where it was submitted.

    `changed_at` grows whenever the reader changes their answer; `source` names the answer in the tool it was made with.
    """

    slice: str
    state: State
    source: str
    changed_at: datetime
    mask: NDArray[np.uint8] | None = None
    lead_time_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """An answer that cannot be used: a sentence on why, for a person, and what came, cut to a decent length."""

    source: str
    reason: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The tasks that changed, oldest change first, and the cursor to ask with next time."""

    readings: tuple[Reading, ...]
    unreadable: tuple[Unreadable, ...]
    cursor: str
