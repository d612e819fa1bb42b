"""A file that was asked for: whole, where it was asked for, and nothing else in its place."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from maskloom.pipelines.out_folder import write_file
from maskloom.platform.errors import OutputUnwritable


def test_a_file_is_replaced_and_nothing_stays_beside_it(tmp_path: Path) -> None:
    for data in (b"earlier", b"now"):
        write_file(tmp_path / "new" / "report.html", data)
    assert [path.read_bytes() for path in (tmp_path / "new").iterdir()] == [b"now"]


def test_a_pipe_is_written_into_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_file(pipe, b"a report")
    reader.join()
    assert read == [b"a report"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write_file(tmp_path / "link", b"a report")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"a report"


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputUnwritable, match="is a folder"):
        write_file(tmp_path, b"a report")
