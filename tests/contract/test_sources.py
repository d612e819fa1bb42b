"""What ingest may expect of a source: the same of a folder and of an S3 prefix."""

from __future__ import annotations

import io
import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from maskloom.platform.errors import ObjectStoreUnavailable, SettingsError, SourceUnreadable
from maskloom.platform.objects.bucket import Bucket
from maskloom.platform.objects.sources import MAX_FILE_BYTES, BucketSource, Source, open_source
from support.servers import BUCKET, S3Server, free_ports

FILES = {
    "b 1.png": b"image b",
    "a.png": b"image a",
    "empty.png": b"",
    "patient 7/Größe+50%.png": b"image c",
    "patient 7/series/slice?2&x=1.png": b"image d",
}


@pytest.fixture(params=["folder", "s3"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    """FILES, with other files in the neighbourhood."""
    if request.param == "folder":
        for name, data in (FILES | {"../images-2/other.png": b"not meant"}).items():
            path = tmp_path / "images" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return open_source(str(tmp_path / "images"))
    server: S3Server = request.getfixturevalue("s3_server")
    root = uuid.uuid4().hex
    for name, data in FILES.items():
        put(server, f"{root}/images/{name}", data)
    put(server, f"{root}/images-2/other.png", b"not meant")
    put(server, f"{root}/images/folder marker/", b"")
    return open_source(server.url(f"{root}/images/"))


def put(server: S3Server, key: str, data: bytes) -> None:
    server.client.put_object(BUCKET, key, io.BytesIO(data), len(data))


def test_all_files_are_listed_sorted_and_read(source: Source) -> None:
    assert source.names() == sorted(FILES)
    assert {name: source.read(name) for name in source.names()} == FILES


def test_a_file_that_vanished(source: Source) -> None:
    with pytest.raises(SourceUnreadable, match="gone") as caught:
        source.read("gone.png")
    assert caught.value.hint


def test_more_objects_than_one_answer_of_s3_holds(s3_server: S3Server) -> None:
    root = uuid.uuid4().hex
    names = [f"slice_{number:04d}.png" for number in range(1050)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: put(s3_server, f"{root}/{name}", b"x"), names))
    assert open_source(s3_server.url(root)).names() == names


def test_links_are_followed_once_and_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    elsewhere, images = tmp_path / "elsewhere", tmp_path / "images"
    elsewhere.mkdir()
    images.mkdir()
    (elsewhere / "far.png").write_bytes(b"far")
    (images / "near.png").write_bytes(b"near")
    (images / "linked").symlink_to(elsewhere)
    (images / "far again.png").symlink_to(elsewhere / "far.png")
    (images / "round and round").symlink_to(images)
    (images / "dangling.png").symlink_to(tmp_path / "nothing")
    os.mkfifo(images / "pipe.png")
    source = open_source(str(images))
    readable = ["far again.png", "linked/far.png", "near.png"]
    assert source.names() == sorted(["dangling.png", "pipe.png", *readable])
    assert [source.read(name) for name in readable] == [b"far", b"far", b"near"]
    for name, reason in (("dangling.png", "a broken link"), ("pipe.png", "a pipe")):
        with pytest.raises(SourceUnreadable, match=reason):
            source.read(name)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 2**20)
    with pytest.raises(SourceUnreadable, match="257 MiB"):
        open_source(str(tmp_path)).read("huge.png")


@pytest.mark.parametrize("path", ["", "  "])
def test_an_empty_path_is_not_the_folder_one_is_in(path: str) -> None:
    with pytest.raises(SettingsError, match="empty"):
        open_source(path)


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "image.png").write_bytes(b"image")
    for path, reason in ((tmp_path / "image.png", "is a file"), (tmp_path / "missing", "is not there")):
        with pytest.raises(SettingsError, match=reason) as caught:
            open_source(str(path))
        assert str(path) in str(caught.value)


def test_a_folder_that_vanishes_while_it_is_listed(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    source = open_source(str(tmp_path / "images"))
    (tmp_path / "images").rmdir()
    with pytest.raises(SourceUnreadable, match="cannot list"):
        source.names()


def test_a_server_that_nobody_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    (port,) = free_ports(1)
    bucket = Bucket(f"s3://bucket/images?endpoint=http://127.0.0.1:{port}", patience_s=0.5)
    for action in (BucketSource(bucket).names, lambda: BucketSource(bucket).read("a.png")):
        with pytest.raises(ObjectStoreUnavailable, match="s3://bucket/images"):
            action()
