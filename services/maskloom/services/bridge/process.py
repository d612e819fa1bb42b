"""The bridge as a process of its own: serves Label Studio on this machine, and keeps all reviews of a home in step.

`maskloom review up` starts it, and whoever needs it does; `maskloom review down` stops it. It outlives its starter.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

from maskloom.pipelines.out_folder import write_file
from maskloom.platform.bootstrap import open_platform
from maskloom.platform.catalog import reviews
from maskloom.platform.errors import ToolUnavailable
from maskloom.platform.fingerprint import fingerprint
from maskloom.platform.settings import Settings
from maskloom.services.bridge import keys, processes
from maskloom.services.bridge.attendant import Attendant
from maskloom.services.bridge.locks import alone
from maskloom.services.bridge.server.serving import serving
from maskloom.services.http_server import LOOPBACK, local_url

_START_S = 180.0
_STOP_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """What is remembered of the bridge that was started last.

    `created`: its start, in seconds since 1970; `services`: a fingerprint of what it was told to work with.
    """

    pid: int
    created: float
    host: str
    port: int
    services: str

    @property
    def is_alive(self) -> bool:
        return processes.is_alive(self.pid, self.created)

    @property
    def url(self) -> str:
        return local_url(self.host, self.port)

    def comes_up(self) -> bool:
        return processes.comes_up(f"{self.url}/healthz", self.pid, self.created, patience_s=_START_S)


def ensure(settings: Settings) -> str:
    """The address, on this machine, of the home's bridge. It is started unless it runs with just these settings.

    Raises ToolUnavailable with the end of its log.
    """
    folder = settings.home / "bridge"
    log = folder / "bridge.log"
    with alone(folder / "lock", patience_s=2 * _START_S):
        state = _remembered(folder)
        if state is None or state.services != _services(settings) or not state.comes_up():
            if state is not None:
                processes.stop(state.pid, state.created, patience_s=_STOP_S)
            state = _start(settings, log, state.port if state else None)
            if not state.comes_up():
                raise ToolUnavailable(
                    f"the review bridge does not start; it said: {processes.tail(log)}", hint=f"See {log}."
                )
    return state.url


def stop(home: Path) -> bool:
    """Stop the home's bridge; False when none ran."""
    state = _remembered(home / "bridge")
    return (
        state is not None and state.is_alive and processes.stop(state.pid, state.created, patience_s=_STOP_S)
    )


def main(host: str, port: int) -> None:
    """Serve on an address of this machine until SIGTERM."""
    from maskloom.services.bridge.opening import label_studio_of, open_tool  # noqa: PLC0415 - it may start this

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings = Settings()
    wake = threading.Event()
    with (
        open_platform(settings) as platform,
        serving(
            platform,
            keys=keys.load(settings.home),
            tool_url=label_studio_of(settings) or "http://127.0.0.1",
            look=wake.set,
            host=host,
            port=port,
        ) as served,
        Attendant(
            platform,
            lambda: platform.database.transaction(reviews.reviewed_runs),
            open_tool(platform, served.url),
            wake=wake,
        ) as attendant,
    ):
        attendant.wait()


def _start(settings: Settings, log: Path, last_port: int | None) -> _State:
    host, _, wanted = (settings.bridge_listen or f"{LOOPBACK}:0").rpartition(":")
    # The last port again if it can be had: addresses of images that readers have open go on working.
    last = last_port if last_port and processes.is_free(last_port) else processes.free_port()
    port = int(wanted) or last
    command = [sys.executable, "-m", __name__, host, str(port)]
    pid, created = processes.start(command, dict(os.environ), log)
    state = _State(pid=pid, created=created, host=host, port=port, services=_services(settings))
    write_file(settings.home / "bridge" / "process.json", json.dumps(asdict(state)).encode())
    return state


def _services(settings: Settings) -> str:
    from maskloom.services.bridge.opening import label_studio_of  # noqa: PLC0415 - it may start this

    secrets = [
        each and each.get_secret_value() for each in (settings.database_url, settings.label_studio_token)
    ]
    places = [settings.objects, label_studio_of(settings), settings.bridge_url, settings.bridge_listen]
    return fingerprint([*secrets, *places])


def _remembered(folder: Path) -> _State | None:
    file = folder / "process.json"
    return _State(**json.loads(file.read_text())) if file.exists() else None


if __name__ == "__main__":
    try:
        main(sys.argv[1], int(sys.argv[2]))
    except KeyboardInterrupt:
        sys.exit(0)
