"""The port of annotation tools: what a tool in which readers work must do for maskloom.

A tool holds one desk for each reader of a run, with a task for each slice. maskloom pushes tasks, and asks from time to time
how those stand that have changed. What a task looks like now is the truth, never an event: an event that was lost, came
twice or too late changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from maskloom.pipelines.review.readings import Changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where one reader of one run works."""

    run: str
    reader: str
    classes: tuple[str, ...]
    """What is to be marked, such as `infection`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A slice to be read, and the mask that the reader is shown.

    `image` and `masks` are digests of blobs in the object store: a PNG or JPEG of the slice, and 8-bit grey PNG masks of the
    same size (`width` x `height`) where 128 and more is marked. There is one mask, or for an adjudicator the one of each
    reader. `version` (`RUN/ROUND`) says as of which round the masks are shown.
    """

    slice: str
    image: str
    masks: tuple[str, ...]
    width: int
    height: int
    uncertainty: float
    """0 sure .. 1 unsure."""
    place: int
    """Its turn: 0 is to be read first."""
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What a push did: tasks that are new, tasks whose mask was replaced, and tasks left as they were."""

    added: int
    replaced: int
    unchanged: int


class AnnotationTool(Protocol):
    """A place where readers look at slices and correct masks.

    Both methods raise ToolUnavailable when the tool cannot be reached: the same call later goes on.
    """

    @property
    def name(self) -> str:
        """Names the tool and where it is, without secrets: cursors are kept by it."""

    def push(self, desk: Desk, tasks: Sequence[Task]) -> Pushed:
        """Make the desk unless it is there, and see to it that it has each of `tasks`, at most one a slice.

        Pushing the same again changes nothing. A task whose masks or version differ gets the new ones, unless
        the reader has answered or begun to: what a reader made is never touched.
        """

    def changes(self, desk: Desk, cursor: str | None) -> Changes:
        """The tasks of a desk that may have changed since `cursor` (None: all). Reporting one again does no harm."""

    def where(self, desk: Desk) -> str:
        """The address or folder at which the reader works, without secrets."""
