"""Files that people asked for: whole or not at all, and never over something that is not ours."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from maskloom.platform.errors import OutputUnwritable, disk_hint

MANIFEST = "dataset.json"
"""Says which run an export is of, and what was in it; without it a folder is not an export."""
_THREADS = 4


@contextmanager
def exported_folder(out: Path, run: str) -> Iterator[tuple[Path, bool]]:
    """A new folder that takes the place of `out` when the block ends well, and is removed when it does not.

    Args:
        out: where it goes. An empty folder, or an earlier export of the same run in which nobody has changed a file, is
            replaced.
        run: id of the run, which the block writes into MANIFEST, beside `files_below` the folder.

    Yields:
        The folder to write into, and whether an earlier export will be replaced.

    Raises:
        OutputUnwritable: something else is there, the disk is full, or this user may not write.
    """
    out = out.expanduser().resolve()
    with writing(out):
        replaces = _is_earlier_export(out, run)
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = out.with_name(f".{out.name}.partial")
        descriptor = _own(folder, out)
        try:
            _empty(folder)
            yield folder, replaces
            _take_place(folder, out)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            os.close(descriptor)


def write_file(path: Path, data: bytes) -> None:
    """Write a file so that readers see the old or the new one in full. Raises OutputUnwritable.

    A device or a pipe, such as /dev/stdout, is written into; a symbolic link keeps pointing to the file.
    """
    if path.is_dir():
        raise OutputUnwritable(f"{path} is a folder", hint=f"Name a file, such as {path / 'report.html'}.")
    if path.exists() and not path.is_file():
        with writing(path):
            path.write_bytes(data)
        return
    path = path.resolve()
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_bytes(data)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """Turns what the file system refuses into OutputUnwritable."""
    try:
        yield
    except OSError as error:
        raise OutputUnwritable(
            f"cannot write {out}: {error.strerror or error}",
            hint=disk_hint(error, "write it to another place"),
        ) from error


def files_below(folder: Path) -> dict[str, str]:
    """The sha256 of every file of an export by its name, the manifest left out."""
    files = sorted(path for path in folder.rglob("*") if not path.is_dir())
    with ThreadPoolExecutor(_THREADS) as threads:
        digests = threads.map(lambda path: hashlib.sha256(path.read_bytes()).hexdigest(), files)
        named = zip((path.relative_to(folder).as_posix() for path in files), digests, strict=True)
        return {name: digest for name, digest in named if name != MANIFEST}


def _is_earlier_export(out: Path, run: str) -> bool:
    if out.exists() and not out.is_dir():
        raise OutputUnwritable(
            f"{out} is no folder", hint="Give a folder that is empty or does not exist yet."
        )
    if not out.is_dir() or not any(out.iterdir()):
        return False
    manifest = _manifest(out / MANIFEST)
    if manifest.get("run") != run:
        raise OutputUnwritable(
            f"{out} is not empty, and not an earlier export of run {run}",
            hint="Give a folder that is empty or does not exist yet.",
        )
    exported, found = manifest.get("files", {}), files_below(out)
    changed = sorted(name for name in found if exported.get(name) != found[name])
    if changed:
        raise OutputUnwritable(
            f"{out} holds an earlier export of run {run}, and also what was changed or added since: {changed[0]}"
            + (f" and {len(changed) - 1} more" if changed[1:] else ""),
            hint="Exporting again would remove that: move it away, or give another folder.",
        )
    return True


def _manifest(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _own(folder: Path, out: Path) -> int:
    """Lock `folder` for this process, so that what a killed export left there can be cleared."""
    folder.mkdir(exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise OutputUnwritable(
            f"another process is exporting to {out}", hint="Wait for it, or give another folder."
        ) from None
    return descriptor


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _take_place(folder: Path, out: Path) -> None:
    # A kill between the renames leaves the earlier export under a hidden name, which the next one clears.
    before = out.with_name(f".{out.name}.before")
    shutil.rmtree(before, ignore_errors=True)
    if out.exists():
        out.replace(before)
    folder.replace(out)
    shutil.rmtree(before, ignore_errors=True)
