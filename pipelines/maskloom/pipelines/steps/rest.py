"""Rest: the slices that the finished network labels in a last pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from maskloom.pipelines.flow import Outcome, Step
from maskloom.pipelines.slice_lists import SliceList
from maskloom.pipelines.steps.gate import Gated
from maskloom.pipelines.steps.sample import Groups
from maskloom.pipelines.work import Work
from maskloom.platform.catalog import step_labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest(Step[SliceList]):
    """All slices of `groups`, or those whose label was refused: by one of the gates, or by readers (`without`).

    Of `checked` slices readers have made or accepted the mask, so that they need no other.
    """

    kind: ClassVar[str] = "rest"
    output_type: ClassVar[Any] = SliceList

    which: Literal["refused", "all"]
    groups: Groups
    gated: tuple[Gated, ...]
    without: tuple[str, ...] = ()
    checked: tuple[str, ...] = ()

    def run(self, work: Work) -> Outcome[SliceList]:
        if self.which == "all":
            slices = set(work.datasets.slices(self.groups.order))
        else:
            gates = [gated.digest for gated in self.gated if gated.refused]
            slices = work.platform.database.transaction(lambda c: step_labels.refused(c, gates))
            slices |= set(self.without)
        listed, blobs = work.put_list(sorted(slices - set(self.checked)))
        return Outcome(output=listed, blobs=blobs)
