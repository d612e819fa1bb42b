"""What every object store promises, kept by each adapter on the real thing: a folder, and SeaweedFS as S3."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from maskloom.platform.errors import ObjectCorrupt, ObjectMissing, ObjectStoreUnavailable, SettingsError
from maskloom.platform.objects.s3 import S3Store
from maskloom.platform.objects.store import ObjectStore, open_store
from support.servers import BUCKET, S3_SECRET, S3Server


@dataclass(frozen=True, slots=True, kw_only=True)
class Backing:
    """An empty store's URL, and hands to reach behind its back."""

    url: str
    overwrite: Callable[[str, bytes], None]
    """Replaces the bytes of a blob."""
    names: Callable[[], list[str]]
    """The digests of all blobs there are."""


@pytest.fixture(params=["folder", "s3"])
def backing(request: pytest.FixtureRequest, tmp_path: Path) -> Backing:
    if request.param == "folder":
        return folder_backing(tmp_path / "objects")
    return bucket_backing(request.getfixturevalue("s3_server"), request.getfixturevalue("s3_url"))


def folder_backing(root: Path) -> Backing:
    def overwrite(digest: str, data: bytes) -> None:
        (root / digest[:2] / digest).write_bytes(data)

    return Backing(
        url=root.as_uri(),
        overwrite=overwrite,
        names=lambda: sorted(path.name for path in root.rglob("*") if path.is_file()),
    )


def bucket_backing(server: S3Server, url: str) -> Backing:
    prefix = url.removeprefix(f"s3://{BUCKET}/").partition("?")[0]

    def overwrite(digest: str, data: bytes) -> None:
        key = f"{prefix}/{digest[:2]}/{digest}"
        server.client.put_object(BUCKET, key, io.BytesIO(data), len(data))

    def names() -> list[str]:
        found = server.client.list_objects(BUCKET, prefix=f"{prefix}/", recursive=True)
        return sorted(str(item.object_name).rpartition("/")[2] for item in found)

    return Backing(url=url, overwrite=overwrite, names=names)


@pytest.fixture
def store(backing: Backing) -> ObjectStore:
    return open_store(backing.url)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_blob_comes_back_under_its_sha256(store: ObjectStore) -> None:
    data = os.urandom(150_000)
    digest = store.put(data)
    assert digest == sha256(data)
    assert store.has(digest)
    assert store.get(digest) == data


def test_many_blobs_come_back_in_order(store: ObjectStore) -> None:
    blobs = [os.urandom(10_000) for _ in range(20)] + [b"", b"twice", b"twice"]
    digests = store.put_many(blobs)
    assert digests == [sha256(blob) for blob in blobs]
    assert store.get_many(digests[::-1]) == blobs[::-1]
    assert store.put_many([]) == store.get_many([]) == []


def test_a_checkpoint_of_20_mb(store: ObjectStore) -> None:
    data = os.urandom(20_000_000)
    digests = store.put_many([data, b"small"])
    assert store.put(data) == digests[0]
    assert store.get_many(digests) == [data, b"small"]


def test_a_file_goes_in_and_comes_out_in_portions(store: ObjectStore, tmp_path: Path) -> None:
    for data in (os.urandom(12_000_000), b"small", b""):
        path = tmp_path / "file"
        path.write_bytes(data)
        digest = store.put_file(path)
        assert digest == sha256(data) == store.put_file(path)
        portions = list(store.parts(digest))
        assert b"".join(portions) == store.get(digest) == data
        assert max(map(len, portions)) <= 1 << 20
    with pytest.raises(ObjectMissing):
        store.parts(sha256(b"not here"))


def test_who_reads_a_damaged_blob_in_portions_never_gets_the_last(
    store: ObjectStore, backing: Backing, tmp_path: Path
) -> None:
    data = os.urandom(3_000_000)
    (tmp_path / "file").write_bytes(data)
    digest = store.put_file(tmp_path / "file")
    backing.overwrite(digest, data[:-1] + b"x")
    got: list[bytes] = []
    with pytest.raises(ObjectCorrupt, match=digest):
        got.extend(store.parts(digest))
    assert sum(map(len, got)) < len(data)


def test_an_existing_blob_is_never_written_again(store: ObjectStore, backing: Backing) -> None:
    digest = store.put(b"mask")
    backing.overwrite(digest, b"MASK")
    assert open_store(backing.url).put(b"mask") == digest
    with pytest.raises(ObjectCorrupt):
        store.get(digest)


def test_a_damaged_blob_is_an_error_that_names_it(store: ObjectStore, backing: Backing) -> None:
    digest, sound = store.put_many([b"mask" * 1000, b"sound"])
    for damaged in (b"mask" * 999 + b"mark", b"mask" * 999, b""):
        backing.overwrite(digest, damaged)
        with pytest.raises(ObjectCorrupt, match=digest) as caught:
            store.get(digest)
        assert "backup" in caught.value.hint
        with pytest.raises(ObjectCorrupt):
            store.get_many([sound, digest])


def test_a_missing_blob(store: ObjectStore, backing: Backing) -> None:
    stored, missing = store.put(b"here"), sha256(b"not here")
    assert not store.has(missing)
    with pytest.raises(ObjectMissing, match=missing) as caught:
        store.get(missing)
    assert "MASKLOOM_OBJECTS_URL" in caught.value.hint
    with pytest.raises(ObjectMissing):
        store.get_many([stored, missing])
    assert backing.names() == [stored]


def test_only_a_digest_names_a_blob(store: ObjectStore) -> None:
    for name in ("../../../etc/passwd", "ab" * 31, "AB" * 32, ""):
        with pytest.raises(ValueError, match="not a sha256"):
            store.get(name)


def test_a_deleted_blob_is_gone_and_can_come_back(store: ObjectStore) -> None:
    digest, other = store.put_many([b"one", b"other"])
    store.delete(digest)
    store.delete(digest)
    assert not store.has(digest)
    assert store.get(other) == b"other"
    assert store.put(b"one") == digest
    assert store.get(digest) == b"one"


def test_many_writers_of_one_blob_all_succeed(backing: Backing) -> None:
    data = os.urandom(300_000)
    together = threading.Barrier(12)

    def write_and_read(_: int) -> bytes:
        store = open_store(backing.url)
        together.wait(timeout=30)
        return store.get(store.put(data))

    with ThreadPoolExecutor(12) as writers:
        assert list(writers.map(write_and_read, range(12))) == [data] * 12
    assert backing.names() == [sha256(data)]


def test_prefixes_are_separate_stores(backing: Backing) -> None:
    path, _, query = backing.url.partition("?")
    stores = [open_store(f"{path}{suffix}?{query}".rstrip("?")) for suffix in ("", "2", "/inner")]
    digest = stores[0].put(b"in the first")
    assert [store.has(digest) for store in stores] == [True, False, False]
    stores[1].put(b"in the first")
    stores[1].delete(digest)
    assert [store.has(digest) for store in stores] == [True, False, False]


def test_a_store_travels_as_its_url(store: ObjectStore) -> None:
    digest = store.put(b"for an actor")
    pickled = pickle.dumps(store)
    assert S3_SECRET.encode() not in pickled
    travelled: ObjectStore = pickle.loads(pickled)
    assert travelled.url == store.url
    assert travelled.get(digest) == b"for an actor"


def test_check_leaves_nothing_behind(store: ObjectStore, backing: Backing) -> None:
    store.check()
    assert backing.names() == []


# What only a folder can do wrong


def test_a_server_that_stopped_and_came_back() -> None:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "test-key")
        environment.setenv("AWS_SECRET_ACCESS_KEY", S3_SECRET)
        server = S3Server()
        try:
            impatient, patient = (S3Store(server.url("run"), patience_s=seconds) for seconds in (0.5, 60.0))
            digest = impatient.put(b"before")
            server.stop()
            actions: list[Callable[[], object]] = [
                lambda: impatient.put(b"during"),
                lambda: impatient.put_many([b"during", bytes(2_000_000)]),
                lambda: impatient.get(digest),
                lambda: impatient.has(digest),
                lambda: impatient.delete(digest),
                patient.check,
            ]
            for action in actions:
                with pytest.raises(ObjectStoreUnavailable, match="run") as caught:
                    action()
                assert server.endpoint in caught.value.hint
            with ThreadPoolExecutor(1) as background:
                waiting = background.submit(patient.put_many, [b"during", b"outage"])
                server.start()
                assert impatient.get_many(waiting.result(timeout=90)) == [b"during", b"outage"]
            assert impatient.get(digest) == b"before"
        finally:
            server.remove()


def test_a_bucket_that_is_not_there(s3_server: S3Server) -> None:
    store = open_store(s3_server.url("run", bucket="no-such-bucket"))
    for action in (store.check, lambda: store.get(sha256(b""))):
        with pytest.raises(SettingsError, match="NoSuchBucket") as caught:
            action()
        assert "Create the bucket no-such-bucket" in caught.value.hint


def test_credentials_that_are_wrong_or_missing(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret")
    with pytest.raises(SettingsError) as caught:
        open_store(s3_url).check()
    assert "AWS_SECRET_ACCESS_KEY" in caught.value.hint
    assert "wrong-secret" not in str(caught.value)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(SettingsError, match="no credentials"):
        open_store(s3_url)


@pytest.mark.parametrize(
    "url",
    [
        "/data/objects",
        "http://127.0.0.1:9000/bucket",
        "file://server/share",
        "file:///data?secret=hush",
        "s3://",
        "s3://ab",
        "s3://key:hush@bucket/prefix",
        "s3://bucket/prefix?endpoint=ftp://host",
        "s3://bucket/prefix?endpoint=http://host:9000/path",
        "s3://bucket/prefix?endpoint=http://host:9000&secure=true",
        "s3://bucket/prefix?endpoint=host:9000&secure=maybe",
        "s3://bucket/prefix?endpoint=host:9000&secret_key=hush",
    ],
)
def test_a_url_that_names_no_store(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with pytest.raises(SettingsError) as caught:
        open_store(url)
    assert caught.value.hint
    if "s3" in url:
        assert "hush" not in str(caught.value)


def test_an_endpoint_may_say_by_itself_that_it_is_plain_http(s3_server: S3Server) -> None:
    open_store(f"s3://{BUCKET}/by-scheme?endpoint=http://{s3_server.endpoint}").check()
