"""Label Studio's own virtual environment: its pins of numpy, Django and redis are none of maskloom's business."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path

from maskloom.platform.errors import ToolUnavailable, disk_hint

REQUIREMENT = "label-studio==1.23.2"
_STAMP = "installed"
_SAID_LINES = 6

Progress = Callable[[str], None]
"""Is told what is going on, one short sentence at a time."""


def program(venv: Path) -> Path:
    """The server's executable in its environment."""
    return venv / "bin" / "label-studio"


def is_installed(venv: Path) -> bool:
    """Whether the environment is complete and of the version that is wanted."""
    stamp = venv / _STAMP
    return stamp.is_file() and stamp.read_text() == REQUIREMENT


def ensure(venv: Path, progress: Progress) -> None:
    """Makes the environment unless it is there; what an interrupted installation left is removed first.

    The first time takes one to two minutes and 1 GB. Call it from one process at a time.

    Raises:
        ToolUnavailable: with the last lines that pip said.
    """
    if is_installed(venv):
        return
    try:
        if venv.exists():
            progress("Removing an unfinished or older installation of Label Studio")
            shutil.rmtree(venv)
        venv.parent.mkdir(parents=True, exist_ok=True)
        progress(f"Installing {REQUIREMENT} into {venv}: one to two minutes, once")
        _run([sys.executable, "-m", "venv", str(venv)], progress)
        pip = [str(venv / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
        _run([*pip, "install", "--no-input", "--progress-bar=off", REQUIREMENT], progress)
        # Last, so that an environment with it is complete.
        (venv / _STAMP).write_text(REQUIREMENT)
    except OSError as error:
        raise ToolUnavailable(
            f"cannot install Label Studio into {venv}: {error.strerror or error}",
            hint=disk_hint(error, "point MASKLOOM_HOME to another"),
        ) from error


def _run(command: list[str], progress: Progress) -> None:
    last: deque[str] = deque(maxlen=_SAID_LINES)
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as child:
        assert child.stdout
        try:
            for line in child.stdout:
                said = line.strip()
                if said:
                    last.append(said)
                if said.startswith(("Collecting ", "Installing ")):
                    progress(said[:100])
        except BaseException:
            child.kill()
            raise
    if child.returncode != 0:
        raise ToolUnavailable(
            f"{REQUIREMENT} could not be installed: " + " / ".join(last),
            hint="Check that pip reaches a package index (PIP_INDEX_URL, a proxy), then run the command again. "
            "Or run Label Studio yourself and set MASKLOOM_LABEL_STUDIO_URL and MASKLOOM_LABEL_STUDIO_TOKEN.",
        )
