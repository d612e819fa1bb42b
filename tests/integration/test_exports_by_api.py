"""Exports through the API: made by a job, and downloaded from an address that works for minutes."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from maskloom.platform.catalog import jobs
from maskloom.services.access.signing import SignedPaths
from support.asking import ask
from support.servers import PostgresServer
from support.service import API, Service, served
from support.transfers import done

MIB = 1 << 20


@pytest.fixture(scope="module")
def service(postgres_server: PostgresServer) -> Iterator[Service]:
    with served(postgres_server) as made:
        yield made


@pytest.mark.parametrize("form", ["png", "coco"])
def test_an_export_is_made_and_downloaded_from_a_signed_address(service: Service, form: str) -> None:
    lead = service.as_("lea")
    asked = lead.ask("POST", f"/runs/{service.run.id}/exports", {"format": form})
    job = asked.json["id"]
    assert lead.ask("GET", f"/exports/{job}/download").status == 422, "it is not made yet"
    state = done(service, job)
    assert state["status"] == "done", state
    led = lead.ask("GET", f"/exports/{job}/download")
    assert led.status == 303
    assert [(act.who, act.action) for act in service.newest_acts(1)] == [("lea", "export.downloaded")]
    # Without a session: the address is all that it takes.
    got = ask(service.url + led.headers["location"])
    assert (got.status, got.headers["content-type"]) == (200, "application/zip")
    name = f"maskloom-{service.run.id}-{form}"
    assert got.headers["content-disposition"] == f'attachment; filename="{name}.zip"'
    assert len(got.body) == state["outcome"]["size_bytes"]
    with zipfile.ZipFile(io.BytesIO(got.body)) as archive:
        assert archive.testzip() is None
        manifest = json.loads(archive.read(f"{name}/dataset.json"))
        assert manifest["run"] == service.run.id
        assert {f"{name}/{file}" for file in manifest["files"]} | {f"{name}/dataset.json"} == set(
            archive.namelist()
        )
    assert not any((service.platform.settings.home / "jobs").iterdir())
    listed = lead.ask("GET", f"/runs/{service.run.id}/exports").json["items"]
    assert listed[0]["id"] == job


def test_an_address_that_was_forged_changed_or_has_expired_leads_nowhere(service: Service) -> None:
    lead = service.as_("lea")
    exports = []
    for _ in range(2):
        asked = lead.ask("POST", f"/runs/{service.run.id}/exports", {"format": "png"})
        done(service, asked.json["id"])
        exports.append(asked.json["id"])
    path = f"{API}/exports/{exports[0]}/file"
    signing = SignedPaths(
        secret=service.platform.database.transaction(lambda c: jobs.signing_secret(c, "exports"))
    )
    good = signing.signed(path, time.time())
    query = parse_qs(urlsplit(good).query)
    expires, signature = query["expires"][0], query["signature"][0]
    later = str(int(expires) + 1000)
    for forged in (
        signing.signed(path, time.time() - 301),
        f"{path}?expires={later}&signature={signature}",
        f"{path}?expires={expires}&signature={'0' * 64}",
        f"{path}?expires={expires}&signature=%E2%98%83",
        f"{path}?expires=%2B{expires}&signature={signature}",
        good.replace(exports[0], exports[1]),
        SignedPaths(secret=b"another").signed(path, time.time()),
        path,
    ):
        answer = lead.ask("GET", forged.removeprefix(API))
        assert answer.status == 403, forged
    assert ask(service.url + good).status == 200
