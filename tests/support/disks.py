"""Full and read-only disks for tests: a small file system of its own, seen by one child process alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_MOUNT = """
set -e
mount -t tmpfs -o size="$1"m,mode=755 none "$2"
mkdir "$2/home"
if [ "$3" = ro ]; then mount -o remount,bind,ro "$2"; fi
exec "$4" -c "$5" "$2/home"
"""


def run_on_disk(folder: Path, code: str, *, megabytes: int = 64, read_only: bool = False) -> str:
    """Runs Python code whose `sys.argv[1]` is an empty folder on a new file system; returns what it printed.

    Skips the test where this user may not mount a file system.
    """
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    if subprocess.run(
        [*unshare, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False
    ).returncode:
        pytest.skip("this user may not mount a file system")
    mount = [
        "sh",
        "-c",
        _MOUNT,
        "sh",
        str(megabytes),
        folder,
        "ro" if read_only else "rw",
        sys.executable,
        code,
    ]
    done = subprocess.run([*unshare, *mount], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
