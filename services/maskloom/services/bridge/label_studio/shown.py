"""What a desk's tasks show already, from Label Studio's listing, and whether that is what they are to show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from maskloom.services.bridge.label_studio import config, readings
from maskloom.services.bridge.label_studio.tasks import region_ids, score_of
from maskloom.services.bridge.tool import Task

Json = dict[str, Any]
_SAME_SCORE = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shown:
    """A task in Label Studio. `touched`: the reader has answered it, or begun to. `predictions`: newest last."""

    id: int
    slice: str
    data: Json
    answered: bool
    touched: bool
    predictions: tuple[Json, ...]

    @property
    def address(self) -> str:
        """Where the slice's image is."""
        return str(self.data.get(config.IMAGE, ""))

    @property
    def last(self) -> Json | None:
        """The prediction that was made last."""
        return self.predictions[-1] if self.predictions else None

    def may_show(self, task: Task) -> bool:
        """Whether the reader sees the masks of `task`; where they see none, provided that those are empty."""
        if self.last is None or abs(score_in(self.last) - score_of(task)) > _SAME_SCORE:
            return False
        return {region.get("id") for region in self.last["result"]} <= set(region_ids(task))

    @property
    def shows_nothing(self) -> bool:
        """Whether the reader sees no mask."""
        return self.last is None or not self.last["result"]


def score_in(prediction: Json) -> float:
    """The score of a prediction, 0..1; one that somebody else made may have none."""
    score = prediction["score"]
    return min(max(float(score), 0.0), 1.0) if isinstance(score, int | float) else 0.0


def shown(listing: Iterable[Json]) -> list[Shown]:
    """The tasks of a listing that show a slice of maskloom's."""
    return [_shown(task) for task in listing if readings.slice_of(task) is not None]


def _shown(task: Json) -> Shown:
    digest = readings.slice_of(task)
    assert digest is not None
    ours = [made for made in task["predictions"] if isinstance(made["result"], list)]
    return Shown(
        id=task["id"],
        slice=digest,
        data=task["data"],
        answered=bool(task["annotations"]),
        touched=bool(task["annotations"] or task["drafts"]),
        predictions=tuple(sorted(ours, key=lambda made: int(made["id"]))),
    )
