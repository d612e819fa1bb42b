"""One process at a time: an advisory lock on a file, which the kernel drops when its holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from maskloom.platform.errors import ToolUnavailable, disk_hint


@contextmanager
def alone(path: Path, *, patience_s: float, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Holds the lock at `path` (made if need be); calls `waiting` once if somebody else holds it.

    Raises:
        ToolUnavailable: it was held by another process for `patience_s` seconds, or cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ToolUnavailable(f"cannot make {path}: {error.strerror}", hint=disk_hint(error)) from error
    try:
        _take(lock, path, patience_s, waiting)
        yield
    finally:
        os.close(lock)


def _take(lock: int, path: Path, patience_s: float, waiting: Callable[[], None]) -> None:
    deadline, told = time.monotonic() + patience_s, False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise ToolUnavailable(
                    f"another process has held {path} for {patience_s:.0f} s",
                    hint=f"Wait for it, or find it with `fuser {path}` and end it.",
                ) from None
        else:
            return
        if not told:
            waiting()
            told = True
        time.sleep(0.05)
