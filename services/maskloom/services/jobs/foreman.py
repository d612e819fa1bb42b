"""Looks every second which jobs are left to do, and starts a process for each: a large one stops nothing else."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from types import TracebackType

from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import jobs
from maskloom.platform.errors import CatalogUnavailable

LOOK_EVERY_S = 1.0
PLACES = 2
"""How many jobs are done at a time: they mostly wait for disks."""
_OBEY_S = 10.0
_log = logging.getLogger(__name__)


class Foreman:
    """Has jobs done while its block goes on. At its end they are left to others, or to the next start."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._workers: dict[str, subprocess.Popen[bytes]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="foreman of jobs")

    def __enter__(self) -> Foreman:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        try:
            while not self._ended.wait(LOOK_EVERY_S):
                try:
                    self._turn()
                except CatalogUnavailable as error:
                    _log.warning("no job can be looked for: %s", error.message)
        finally:
            self._stop_all()

    def _turn(self) -> None:
        for job, worker in list(self._workers.items()):
            if worker.poll() is not None:
                self._close(job, worker)
        left = self._platform.database.transaction(jobs.unfinished)
        for job in [job for job in left if job not in self._workers][: PLACES - len(self._workers)]:
            self._start(job)

    def _start(self, job: str) -> None:
        log = self._platform.settings.home / "logs" / f"job-{job}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "maskloom.services.jobs.worker", job]
        with log.open("ab") as output:
            self._workers[job] = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=output, stderr=output, start_new_session=True
            )

    def _close(self, job: str, worker: subprocess.Popen[bytes]) -> None:
        if worker.stdin is not None:
            worker.stdin.close()
        del self._workers[job]
        _log.info("job %s: its process ended with %d", job, worker.wait())

    def _stop_all(self) -> None:
        for worker in self._workers.values():
            worker.terminate()
        for job, worker in list(self._workers.items()):
            try:
                worker.wait(_OBEY_S)
            except subprocess.TimeoutExpired:
                worker.kill()
            self._close(job, worker)
