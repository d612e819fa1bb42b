"""When the labels of a run came."""

from __future__ import annotations

import time

from maskloom.pipelines.work import Progress


class LabelsCame:
    """An observer that notes how many labels there were, and when (`time.monotonic`)."""

    def __init__(self) -> None:
        self.came: list[tuple[int, float]] = []

    def started(self, kind: str, round_number: int | None) -> None: ...
    def waiting(self, kind: str, round_number: int | None, holder: str) -> None: ...
    def done(self, kind: str, round_number: int | None, output: object) -> None: ...

    def progress(self, progress: Progress) -> None:
        if progress.kind == "label":
            self.came.append((progress.done, time.monotonic()))

    def rate(self) -> float:
        """Labels a second, from the first ones to the last."""
        (first, began), (last, ended) = self.came[0], self.came[-1]
        return (last - first) / (ended - began)
