"""Data in and out through the API: what comes in whole, what is refused or set aside, and what is taken out."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from maskloom.platform.facts import Split
from support.servers import BUCKET, PostgresServer, S3Server
from support.service import ADMIN, API, CLOSED, OPEN, STRANGER, Service, served
from support.transfers import MULTIPART, done, multipart, send, send_body, slices, zipped

MIB = 1 << 20


@pytest.fixture(scope="module")
def service(postgres_server: PostgresServer, s3_server: S3Server) -> Iterator[Service]:
    sources = f"ward={s3_server.url('ward/allowed')} gone={s3_server.url('x', bucket='no-such-bucket')}"
    with served(postgres_server, import_sources=sources, upload_size=4 * MIB, upload_files=50) as made:
        yield made


def reasons(state: dict[str, Any]) -> dict[str, str]:
    return {one["source"]: one["reason"] for one in state["outcome"]["reasons"]}


def newest_act(service: Service) -> tuple[str, str, dict[str, Any]]:
    (act,) = service.newest_acts(1)
    return act.who, act.action, act.detail


def test_what_is_sent_is_taken_in_by_a_job_and_the_bad_is_set_aside(service: Service) -> None:
    drawn = slices(3, patient=11)
    files = [("images", name, image) for name, (image, _) in drawn.items()]
    files += [("masks", name, mask) for name, (_, mask) in list(drawn.items())[:2]]
    sent = send(service, [*files, ("images", "notes.png", b"no picture")], split="labelled")
    assert (sent.status, sent.json["status"], sent.json["owner"]) == (202, "queued", "lea")
    assert newest_act(service) == ("lea", "upload.asked", {"split": "labelled", "files": 6})
    state = done(service, sent.json["id"])
    assert state["status"] == "done"
    outcome = state["outcome"]
    assert (outcome["added"], outcome["known"], outcome["masks_added"]) == (2, 0, 2)
    assert set(reasons(state)) == {"p11_03.png", "notes.png"}
    set_aside = service.as_("lea").ask("GET", f"/datasets/{OPEN}/quarantine").json["items"]
    assert {"p11_03.png", "notes.png"} <= {one["source"] for one in set_aside}
    again = send(service, files[:2] + files[3:], split="labelled")
    assert done(service, again.json["id"])["outcome"]["known"] == 2
    listed = service.as_("lea").ask("GET", f"/datasets/{OPEN}/jobs?limit=1").json
    assert [one["id"] for one in listed["items"]] == [again.json["id"]]
    assert listed["next"]


def test_a_zip_file_may_bring_images_and_masks(service: Service) -> None:
    packed = {}
    for name, (image, mask) in slices(2, patient=12).items():
        packed |= {f"covid/images/{name}": image, f"covid/masks/{name}": mask}
    sent = send(service, [("images", "covid.zip", zipped(packed))], split="labelled")
    outcome = done(service, sent.json["id"])["outcome"]
    assert (outcome["added"], outcome["masks_added"], outcome["set_aside"]) == (2, 2, 0)


def test_odd_files_in_a_zip_file_are_set_aside_and_the_others_come_in(service: Service) -> None:
    (good, (image, _)), (hidden, (other, _)) = slices(2, patient=13).items()
    link = zipfile.ZipInfo("link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    packed = zipped(
        {
            good: image,
            link: b"/etc/passwd",
            "../../etc/cron.d/up.png": other,
            "/abs.png": other,
            "C:\\windows\\x.png": other,
            "nested.zip": zipped({hidden: other}),
            "new\nline.png": other,
            f"{'n' * 600}.png": other,
        }
    )
    sent = send(service, [("images", "odd.zip", packed)])
    state = done(service, sent.json["id"])
    assert state["outcome"]["added"] == 1, state
    found = reasons(state)
    assert len(found) == 7
    assert "link" in found["link.png"]
    assert "zip file in a zip file" in found["nested.zip"]
    for name in ("../../etc/cron.d/up.png", "/abs.png", "C:/windows/x.png"):
        assert "other folders" in found[name]


def flat(size: int, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    return zipped({"a.png": b"\0" * size}, compression)


def lying(size: int) -> bytes:
    """A zip file that says that its file is small."""
    packed = bytearray(flat(size))
    place = packed.rindex(b"PK\x01\x02") + 24
    packed[place : place + 4] = (100).to_bytes(4, "little")
    return bytes(packed)


@pytest.mark.parametrize(
    ("packed", "status"),
    [
        pytest.param(flat(100 * MIB), 422, id="a bomb"),
        pytest.param(flat(5 * MIB), 413, id="more than an upload may have"),
        pytest.param(zipped({f"{n}.png": b"" for n in range(60)}), 413, id="too many files"),
        pytest.param(zipped({"a.png": b"x" * 1000})[:-30], 422, id="cut off"),
        pytest.param(b"PK\x03\x04" + b"x" * 100, 422, id="none at all"),
    ],
)
def test_a_zip_file_that_is_too_much_or_broken_is_refused_whole(
    service: Service, packed: bytes, status: int
) -> None:
    answer = send(service, [("images", "one.zip", packed)])
    assert answer.status == status, answer.text
    assert answer.json["hint"]
    assert left_on_disk(service) == []


def test_what_a_zip_file_hides_is_not_unpacked(service: Service) -> None:
    with_lie = send(service, [("images", "lie.zip", lying(3 * MIB))])
    assert "damaged" in reasons(done(service, with_lie.json["id"]))["a.png"]
    lzma = send(service, [("images", "lzma.zip", flat(3 * MIB, zipfile.ZIP_LZMA))])
    assert "deflate" in reasons(done(service, lzma.json["id"]))["a.png"]


def left_on_disk(service: Service) -> list[Path]:
    return list((service.platform.settings.home / "uploads").iterdir())


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(multipart([("images", "a.png", b"x" * 3000)])[:-50], 422, id="cut off"),
        pytest.param(b"nonsense" * 50, 422, id="no multipart"),
        pytest.param(b"", 422, id="nothing"),
        pytest.param(multipart([]), 422, id="no files"),
        pytest.param(multipart([("other", "a.png", b"x")]), 422, id="another field"),
        pytest.param(multipart([("images", f"{n}.png", b"x") for n in range(51)]), 413, id="too many"),
        pytest.param(multipart([("images", "a.png", b"x" * 5 * MIB)]), 413, id="too large"),
        pytest.param(multipart([("masks", "a.png", b"x")]), 422, id="masks without a reason"),
    ],
)
def test_an_upload_that_is_not_whole_or_too_much_leaves_nothing(
    service: Service, body: bytes, status: int
) -> None:
    before = service.as_("lea").ask("GET", f"/datasets/{OPEN}/jobs").json["items"]
    answer = send_body(service, body)
    assert answer.status == status, answer.text
    assert left_on_disk(service) == []
    assert service.as_("lea").ask("GET", f"/datasets/{OPEN}/jobs").json["items"] == before


def test_who_may_not_load_is_refused_before_they_have_sent_anything(service: Service) -> None:
    parts = urlsplit(service.url)
    for account, status in (("vera", 403), (STRANGER, 404), (None, 401)):
        connection = HTTPConnection(str(parts.hostname), parts.port, timeout=20)
        connection.putrequest("POST", f"{API}/datasets/{OPEN}/uploads?split=unlabelled")
        connection.putheader("Content-Type", MULTIPART)
        connection.putheader("Content-Length", str(3 * MIB))
        if account:
            connection.putheader("Cookie", service.as_(account).cookie)
            connection.putheader("X-CSRF-Token", service.as_(account).csrf)
        connection.endheaders()  # and not a byte of the body
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("connection")) == (status, "close")
        connection.close()


def test_an_upload_without_a_length_is_counted_as_it_comes(service: Service) -> None:
    body = multipart([("images", "a.png", b"x" * 5 * MIB)])
    chunks = b"".join(
        f"{len(body[at : at + MIB]):x}\r\n".encode() + body[at : at + MIB] + b"\r\n"
        for at in range(0, len(body), MIB)
    )
    browser = service.as_("lea")
    answer = browser.send(
        "POST",
        f"/datasets/{OPEN}/uploads?split=unlabelled",
        chunks + b"0\r\n\r\n",
        Content_Type=MULTIPART,
        Transfer_Encoding="chunked",
    )
    assert answer.status == 413


def test_an_upload_for_which_there_is_no_room_is_refused(postgres_server: PostgresServer) -> None:
    with served(postgres_server, upload_reserve=1 << 60) as full:
        answer = send(full, [("images", "a.png", b"x")])
        assert answer.status == 413
        assert "no room" in answer.json["detail"]


def test_slices_are_imported_from_an_allowed_place(service: Service, s3_server: S3Server) -> None:
    for name, (image, mask) in slices(2, patient=14).items():
        for kind, content in (("images", image), ("masks", mask)):
            key = f"ward/allowed/2026 ü/{kind}/{name}"
            s3_server.client.put_object(BUCKET, key, io.BytesIO(content), len(content))
    lead = service.as_("lea")
    assert lead.ask("GET", f"/datasets/{OPEN}/import-sources").json["items"] == [
        {"label": "ward"},
        {"label": "gone"},
    ]
    wanted = {"source": "ward", "folder": "2026 ü/images", "masks": "2026 ü/masks", "split": "labelled"}
    asked = lead.ask("POST", f"/datasets/{OPEN}/imports", wanted)
    assert asked.status == 202, asked.text
    assert newest_act(service) == ("lea", "import.asked", {"source": "ward", "split": "labelled"})
    outcome = done(service, asked.json["id"])["outcome"]
    assert (outcome["added"], outcome["masks_added"]) == (2, 2)


@pytest.mark.parametrize(
    "wanted",
    [
        {"source": "s3://bucket/prefix"},
        {"source": "ward?endpoint=169.254.169.254"},
        {"source": "http://169.254.169.254/latest/meta-data"},
        {"source": "file:///etc"},
        {"source": ""},
        {"source": "ward", "folder": "../secret"},
        {"source": "ward", "folder": "a/../../secret"},
        {"source": "ward", "folder": "/etc"},
        {"source": "ward", "folder": "a\\b"},
        {"source": "ward", "folder": "a\x1fb"},
        {"source": "ward", "masks": "a"},
        {"source": "ward", "split": "labelled"},
        {"source": "ward", "folder": "a", "split": "labelled", "masks": ".."},
    ],
)
def test_nothing_else_can_be_imported(service: Service, wanted: dict[str, str]) -> None:
    answer = service.as_("lea").ask("POST", f"/datasets/{OPEN}/imports", {"split": "unlabelled"} | wanted)
    assert answer.status in {404, 422}, answer.text


def test_a_folder_of_a_source_is_no_part_of_its_address(service: Service) -> None:
    wanted = {"source": "ward", "folder": "x?endpoint=127.0.0.1:9&secure=false#y", "split": "unlabelled"}
    asked = service.as_("lea").ask("POST", f"/datasets/{OPEN}/imports", wanted)
    state = done(service, asked.json["id"])
    assert (state["status"], state["outcome"]["added"]) == ("done", 0), state


def test_a_job_that_fails_says_so_without_addresses_and_can_be_asked_for_again(service: Service) -> None:
    lead = service.as_("lea")
    asked = lead.ask("POST", f"/datasets/{OPEN}/imports", {"source": "gone", "split": "unlabelled"})
    job = asked.json["id"]
    assert lead.ask("POST", f"/jobs/{job}/again").status == 422, "it has not failed yet"
    state = done(service, job)
    assert (state["status"], state["error"]) == ("failed", "maskloom could not do it")
    assert "127.0.0.1" not in json.dumps(state)
    again = lead.ask("POST", f"/jobs/{job}/again")
    assert (again.status, again.json["status"], again.json["error"]) == (202, "queued", "")
    assert newest_act(service)[:2] == ("lea", "import.asked_again")


def test_an_admin_makes_a_data_set_and_a_lead_loads_it(service: Service) -> None:
    admin = service.as_(ADMIN)
    assert admin.ask("POST", "/datasets", {"name": "lungs of 2026 ü"}).status == 201
    assert newest_act(service) == (ADMIN, "dataset.made", {})
    assert admin.ask("POST", "/datasets", {"name": "lungs of 2026 ü"}).status == 422
    for name in ("", " ", "a/b", "..", "a\\b", " a", "a\nb", "x" * 101, OPEN, CLOSED):
        assert admin.ask("POST", "/datasets", {"name": name}).status == 422, name
    quoted = "lungs%20of%202026%20%C3%BC"
    assert service.as_("lea").ask("GET", f"/datasets/{quoted}").status == 404
    assert admin.ask("PUT", f"/accounts/lea/roles/{quoted}", {"role": "lead"}).status == 200
    sent = send(service, [("images", "a_1.png", slices(1, 15)["p15_01.png"][0])], dataset=quoted)
    assert done(service, sent.json["id"])["outcome"]["added"] == 1
    counts = service.as_("lea").ask("GET", f"/datasets/{quoted}").json["slices"]
    assert counts[Split.UNLABELLED] == 1
