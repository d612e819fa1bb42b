"""Looks every second which jobs are left to do, and starts a process for each: a large one stops nothing else."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from types import TracebackType

from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import jobs
from maskloom.platform.errors import CatalogUnavailable

LOOK_EVERY_S = 1.0
PLACES = 2
"""How many jobs are done at a time: they mostly wait for disks."""
_OBEY_S = 10.0
_LONGEST_PAUSE_S = 60.0
"""Between two tries at a job whose process ends badly again and again."""
_ENDED_WELL = {0, 130}
_log = logging.getLogger(__name__)


class Foreman:
    """Has jobs done while its block goes on. At its end they are left to others, or to the next start."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._workers: dict[str, subprocess.Popen[bytes]] = {}
        self._tries: dict[str, tuple[int, float]] = {}
        """Of jobs whose process ended badly: how often in a row, and when to try again."""
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

    def looks(self) -> bool:
        """Whether it still looks for jobs: what nobody foresaw ends that."""
        return self._thread.is_alive()

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
        for job in [job for job in left if self._may_try(job)][: PLACES - len(self._workers)]:
            self._start(job)

    def _may_try(self, job: str) -> bool:
        _, again_at = self._tries.get(job, (0, 0.0))
        return job not in self._workers and time.monotonic() >= again_at

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
        code = worker.wait()
        _log.info("job %s: its process ended with %d", job, code)
        if code in _ENDED_WELL:
            self._tries.pop(job, None)
        else:
            tries, _ = self._tries.get(job, (0, 0.0))
            self._tries[job] = tries + 1, time.monotonic() + min(2.0**tries, _LONGEST_PAUSE_S)

    def _stop_all(self) -> None:
        for worker in self._workers.values():
            worker.terminate()
        for job, worker in list(self._workers.items()):
            try:
                worker.wait(_OBEY_S)
            except subprocess.TimeoutExpired:
                worker.kill()
            self._close(job, worker)
