"""The process that drives one run for a scheduler: `python -m maskloom.services.scheduler.driver RUN WORKERS`.

It ends when its scheduler does, whose end closes its standard input, and exits as `maskloom resume` would. Waiting for a
review is a way to end well: the catalog says what is waited for.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

from maskloom.pipelines import drive
from maskloom.pipelines.stopping import Stop, stopping_on_signals
from maskloom.pipelines.work import Progress, Waiting
from maskloom.platform.bootstrap import open_platform
from maskloom.platform.errors import MaskloomError
from maskloom.platform.telemetry import send_traces
from maskloom.services.scheduler.orphans import end_with_the_parent


def main(run_id: str, workers: int) -> int:
    """Drive the run; the exit code."""
    send_traces("maskloom-driver")
    stop = Stop()
    threading.Thread(target=end_with_the_parent, name="scheduler watch", daemon=True).start()
    try:
        with stopping_on_signals(stop), open_platform() as platform:
            drive.drive(
                platform,
                drive.find(platform, run_id),
                workers=workers,
                observer=_Nobody(),
                stop=stop,
                even_stopped=False,  # it may have been stopped while this process started
            )
    except Waiting:
        return 0
    except MaskloomError as error:
        sys.stderr.write(f"maskloom: {error.message}\n{error.hint}\n")
        return error.exit_code
    return 0


class _Nobody:
    """An observer for a run that is watched through the catalog."""

    def started(self, kind: str, round_number: int | None) -> None: ...
    def waiting(self, kind: str, round_number: int | None, holder: str) -> None: ...
    def progress(self, progress: Progress) -> None: ...
    def done(self, kind: str, round_number: int | None, output: Any) -> None: ...


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
