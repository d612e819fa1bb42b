"""A server process that outlives its starter: start, recognise, ask and stop it."""

from __future__ import annotations

import http.client
import os
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import psutil

_ANSWER_S = 5.0
_SAME_PROCESS_S = 1.5
"""The kernel tells its own start, from which those of processes count, in whole seconds, and now and then another one."""
_TAIL_LINES = 5
_TAIL_BYTES = 8192


def start(command: list[str], environment: dict[str, str], log: Path) -> tuple[int, float]:
    """Starts a process in a session of its own, its output going to `log`. Returns its id and when it began.

    It is a child of nobody who waits for it, so that neither Ctrl-C nor the end of the starter reaches it.
    """
    with log.open("wb") as output:
        log.chmod(0o600)
        done = subprocess.run(
            ["sh", "-c", 'log=$1; shift; "$@" </dev/null >>"$log" 2>&1 & echo $!', "sh", str(log), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            env=environment,
            cwd=log.parent,
            start_new_session=True,
            check=True,
        )
    pid = int(done.stdout)
    try:
        return pid, psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return pid, 0.0  # it has ended already, and whoever looks for it finds it dead


def is_alive(pid: int, created: float) -> bool:
    """Whether the process runs that began at `created` (seconds since 1970), and not another of the same id."""
    return _process(pid, created) is not None


def stop(pid: int, created: float, *, patience_s: float) -> bool:
    """Ends the process with all of its session; False if it is still there."""
    for kind, seconds in ((signal.SIGTERM, patience_s), (signal.SIGKILL, patience_s)):
        if _process(pid, created) is None:
            return True
        with suppress(ProcessLookupError):
            os.kill(pid, kind)
        deadline = time.monotonic() + seconds
        while is_alive(pid, created) and time.monotonic() < deadline:
            time.sleep(0.02)
    return not is_alive(pid, created)


def comes_up(url: str, pid: int, created: float, *, patience_s: float) -> bool:
    """Waits until the process's server says 200 there; False when the process has ended, or has not come so far."""
    deadline = time.monotonic() + patience_s
    while not answers(url):
        if not is_alive(pid, created) or time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def answers(url: str) -> bool:
    """Whether a server says 200 there."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=_ANSWER_S) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError, http.client.HTTPException):
        return False


def tail(log: Path) -> str:
    """The last lines of a log, as one."""
    try:
        data = log.read_bytes()[-_TAIL_BYTES:]
    except OSError as error:
        return f"nothing that can be read ({error.strerror})"
    lines = [line.strip() for line in data.decode(errors="replace").splitlines() if line.strip()]
    return " / ".join(lines[-_TAIL_LINES:]) or "nothing"


def free_port() -> int:
    """A port of 127.0.0.1 below those that systems hand out for outgoing connections."""
    while True:
        port = random.SystemRandom().randrange(8_100, 12_000)
        if is_free(port):
            return port


def is_free(port: int) -> bool:
    """Whether nothing listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _process(pid: int, created: float) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - created) < _SAME_PROCESS_S
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None
