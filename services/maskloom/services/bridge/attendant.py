"""Keeps the reviews of runs and the readers' tool in step for as long as a process lives: a thread that pushes and pulls."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType

from maskloom.pipelines import drive
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import desks, reviews
from maskloom.platform.errors import MaskloomError
from maskloom.platform.run_facts import Run
from maskloom.services.bridge import sync
from maskloom.services.bridge.tool import AnnotationTool

EVERY_S = 5.0
"""How often the tool is asked what has changed, when no hint comes earlier."""
CALM_S = 2.0
"""A hint is followed after so long, with those that come meanwhile: while the tool answers, its readers wait for it."""
PUSH_EVERY_S = 3600.0
"""How often tasks are pushed again although there are no new ones, since addresses of pictures expire, and all is pulled."""
_log = logging.getLogger(__name__)


class Attendant:
    """Attends to the reviews of some runs while its block goes on. Trouble with the tool is told once, and tried again.

    What nobody foresaw ends the thread, and is raised at the end of the block.
    """

    def __init__(
        self,
        platform: Platform,
        runs: Callable[[], list[str]],
        tool: AnnotationTool,
        *,
        wake: threading.Event | None = None,
    ) -> None:
        """`runs` gives the ids of the runs to attend to, anew at each turn. Setting `wake` brings on the next."""
        self._platform = platform
        self._runs = runs
        self._tool = tool
        self._pushed: dict[str, tuple[int, float]] = {}
        """How many assignments of a run were pushed last, and when."""
        self._wake = wake or threading.Event()
        self._ended = threading.Event()
        self._trouble: str | None = None
        self._looked_through: dict[str, float] = {}
        """When everything of a run was pulled last; after trouble, none is known to have been."""
        self._asked: dict[str, int] = {}
        """The newest request of a run that was followed."""
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._attend, name="review attendant")

    def wait(self) -> None:
        """Return when the thread has failed; else never."""
        self._ended.wait()

    def __enter__(self) -> Attendant:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._wake.set()
        self._thread.join()
        if self._failure is not None and error is None:
            raise self._failure

    def _attend(self) -> None:
        try:
            while not self._ended.is_set():
                self._turn()
                if self._wake.wait(EVERY_S):
                    self._ended.wait(CALM_S)
                self._wake.clear()
        except Exception as failure:  # noqa: BLE001 - it is raised where the block ends
            self._failure = failure
            self._ended.set()

    def _turn(self) -> None:
        try:
            for run in self._runs():
                self._sync(drive.find(self._platform, run))
        except MaskloomError as error:
            if self._trouble != error.message:
                _log.warning("reviews are not in step: %s. %s", error.message, error.hint)
            self._trouble = error.message
            self._looked_through.clear()
        else:
            if self._trouble is not None:
                _log.warning("reviews are in step again")
            self._trouble = None

    def _sync(self, run: Run) -> None:
        assigned, request = self._platform.database.transaction(
            lambda c: (reviews.assigned(c, run.id), desks.newest_request(c, run.id))
        )
        asked = request > self._asked.get(run.id, 0)
        pushed, pushed_at = self._pushed.get(run.id, (0, 0.0))
        if assigned > pushed or (assigned and (asked or time.monotonic() > pushed_at + PUSH_EVERY_S)):
            sync.push(self._platform, run, self._tool)
            self._pushed[run.id] = assigned, time.monotonic()
        looked_at = self._looked_through.get(run.id)
        everything = asked or looked_at is None or time.monotonic() > looked_at + PUSH_EVERY_S
        sync.pull(self._platform, run, self._tool, everything=everything)
        if everything:
            self._looked_through[run.id] = time.monotonic()
        self._asked[run.id] = request
