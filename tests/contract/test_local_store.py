"""The object store in a folder: truncated files, killed writers, full and read-only disks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from maskloom.platform.errors import ObjectStoreUnavailable
from maskloom.platform.objects.digests import place_of
from maskloom.platform.objects.store import open_store
from support.disks import run_on_disk


def test_a_truncated_file_is_healed_by_the_next_write(tmp_path: Path) -> None:
    store = open_store(tmp_path.as_uri())
    digest = store.put(b"written in full")
    (tmp_path / place_of(digest)).write_bytes(b"written")
    store.put(b"written in full")
    assert store.get(digest) == b"written in full"


def test_what_a_killed_writer_left_is_cleared_when_it_is_old(tmp_path: Path) -> None:
    incoming = tmp_path / "incoming"
    incoming.mkdir()
    old, young = incoming / "old", incoming / "young"
    for leftover in (old, young):
        leftover.write_bytes(b"half a bl")
    two_hours_ago = time.time() - 7200
    os.utime(old, (two_hours_ago, two_hours_ago))
    open_store(tmp_path.as_uri()).put(b"blob")
    assert list(incoming.iterdir()) == [young]


def test_a_writer_that_is_killed_leaves_only_whole_blobs(tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom maskloom.platform.objects.store import open_store\n"
        "store = open_store(sys.argv[1])\n"
        "while True: print(*store.put_many([os.urandom(400_000) for _ in range(4)]), flush=True)"
    )
    acknowledged: list[str] = []
    for batches in (1, 3, 5):
        with subprocess.Popen(
            [sys.executable, "-c", code, tmp_path.as_uri()], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout
            acknowledged += [digest for _ in range(batches) for digest in writer.stdout.readline().split()]
            writer.send_signal(signal.SIGKILL)
    store = open_store(tmp_path.as_uri())
    blobs = [path.name for path in tmp_path.glob("??/*")]
    assert len(acknowledged) == 36
    assert set(acknowledged) <= set(blobs)
    for digest in blobs:
        store.get(digest)


PUT_OR_TELL = """
import sys
from pathlib import Path
from maskloom.platform.errors import ObjectStoreUnavailable
from maskloom.platform.objects.store import open_store
store = open_store(Path(sys.argv[1]).as_uri())
try:
    store.put_many([bytes([number]) * 200_000 for number in range(16)])
except ObjectStoreUnavailable as error:
    left_behind = list(Path(sys.argv[1], "incoming").glob("*"))
    print(error, error.hint, len(left_behind), sep="|")
"""


def test_a_full_disk(tmp_path: Path) -> None:
    message, hint, left_behind = run_on_disk(tmp_path, PUT_OR_TELL, megabytes=1).strip().split("|")
    assert str(tmp_path) in message
    assert "No space left" in message
    assert "free some space" in hint
    assert left_behind == "0"


def test_a_read_only_disk(tmp_path: Path) -> None:
    message, hint, _ = run_on_disk(tmp_path, PUT_OR_TELL, read_only=True).strip().split("|")
    assert str(tmp_path) in message
    assert "Read-only" in message
    assert "MASKLOOM_OBJECTS_URL" in hint


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "objects").write_text("in the way")
    with pytest.raises(ObjectStoreUnavailable) as caught:
        open_store((tmp_path / "objects").as_uri()).check()
    assert "file stands" in caught.value.hint


# What only a server can do wrong
