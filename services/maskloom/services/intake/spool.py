"""A folder for one upload, which is gone when the upload is over, or when its process was killed and the next upload comes."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from maskloom.platform.errors import OutputUnwritable, disk_hint

_YOUNG_S = 60.0
"""So long has a new folder until its process has locked it."""


@contextmanager
def spool(home: Path) -> Iterator[Path]:
    """A new folder below `home`. Raises OutputUnwritable where there can be none."""
    uploads = home / "uploads"
    folder = uploads / uuid.uuid4().hex
    try:
        uploads.mkdir(mode=0o700, parents=True, exist_ok=True)
        _clear(uploads)
        folder.mkdir(mode=0o700)
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise OutputUnwritable(f"cannot write {folder}: {error.strerror}", hint=disk_hint(error)) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _clear(uploads: Path) -> None:
    for folder in uploads.iterdir():
        with suppress(FileNotFoundError):  # it has just ended
            if time.time() - folder.stat().st_mtime > _YOUNG_S and not _is_held(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _is_held(folder: Path) -> bool:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
