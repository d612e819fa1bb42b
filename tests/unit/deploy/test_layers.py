"""What `make image-check` looks for in the layers of images, it finds."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from images.layers import search

SECRET = "4f9a" * 10
KEY = b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n"


def layer(folder: Path, name: str, content: bytes) -> Path:
    """A layer with a file."""
    file = folder / "layer"
    with tarfile.open(file, "w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return file


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("etc/pip.conf", b""),
        ("var/lib/maskloom/.netrc", b""),
        ("build/.env", b""),
        ("opt/app/notes", b"password " + SECRET.encode() + b"!"),
        ("opt/app/deploy", KEY),
        ("opt/venv/lib/python3.11/site-packages/nvidia/cublas/lib.so", b""),
    ],
)
def test_what_must_not_be_there_is_found(tmp_path: Path, name: str, content: bytes) -> None:
    with pytest.raises(AssertionError, match=name.rpartition("/")[2]):
        search(layer(tmp_path, name, content), [SECRET])


def test_what_belongs_there_is_left_alone(tmp_path: Path) -> None:
    search(layer(tmp_path, "opt/venv/lib/pip/conf.py", b'text = "-----BEGIN PRIVATE KEY-----"'), [SECRET])
