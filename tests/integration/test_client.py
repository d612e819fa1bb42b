"""The client, as a program uses it: everything that the API has, on wires that lose answers too."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from maskloom.platform.account_facts import Role
from maskloom.platform.audit_facts import Head, Sought
from maskloom.platform.catalog import audit, runs
from maskloom.platform.errors import MaskloomError, NothingToDo, SettingsError, UnknownName
from maskloom.platform.facts import Split
from maskloom.platform.run_facts import RunStatus
from maskloom.services.client import Client
from maskloom.services.errors import Conflict, NotAllowed, NotSignedIn, ServiceUnavailable
from support.lossy import LossyWire, lossy
from support.servers import PostgresServer
from support.service import ADMIN, OPEN, PASSWORD, Service, served
from support.transfers import at_work, export_job, slices

FOR_BROWSERS = {"session_go_to_provider", "session_come_from_provider"}
"""Operations that the client has no method for: the round trip to an OpenID Connect provider is made of pages and cookies."""
WEIGHTS = ("network.weights=random",)


@pytest.fixture(scope="module")
def service(postgres_server: PostgresServer) -> Iterator[Service]:
    with served(postgres_server) as made:
        yield made


def token_of(service: Service, account: str, role: str = "admin") -> str:
    made = service.as_(account).ask("POST", "/tokens", {"label": "client", "role": role})
    return str(made.json["text"])


@pytest.fixture
def wire(service: Service) -> Iterator[LossyWire]:
    with lossy(service.url) as made:
        yield made


@pytest.fixture
def lead(service: Service, wire: LossyWire) -> Iterator[Client]:
    """A lead's client, at the end of a wire."""
    with Client(wire.url, token_of(service, "lea")) as client:
        yield client


@pytest.fixture
def admin(service: Service) -> Iterator[Client]:
    with Client(service.url, token_of(service, ADMIN)) as client:
        yield client


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    return zlib.crc32(request.node.name.encode())


def acts(service: Service, action: str) -> int:
    every = service.platform.database.transaction(lambda c: list(audit.entries(c)))
    return sum(entry.act.action == action for entry in every)


def test_every_operation_is_a_method_of_that_name(service: Service, admin: Client) -> None:
    document = service.as_(ADMIN).ask("GET", "/openapi.json").json
    for path, methods in document["paths"].items():
        for operation in methods.values() if path.startswith("/api/") else ():
            group, _, method = operation["operationId"].partition("_")
            known = callable(getattr(getattr(admin, group, None), method, None))
            assert known is (operation["operationId"] not in FOR_BROWSERS), operation["operationId"]


def test_importing_it_loads_nothing_heavy() -> None:
    heavy = "{'torch', 'fastapi', 'sqlalchemy', 'ray', 'numpy'}"
    program = f"import sys, maskloom.services.client; sys.exit(bool({heavy} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_data_sets_and_what_is_in_them(service: Service, admin: Client, lead: Client) -> None:
    assert [one.name for one in lead.datasets.list()] == [OPEN]
    assert admin.datasets.get(OPEN).slices[Split.UNLABELLED] == len(service.digests)
    assert {one.digest for one in lead.datasets.slices(OPEN)} == set(service.digests)
    (labelled, *_) = lead.datasets.slices(OPEN, Split.LABELLED)
    assert lead.datasets.slice(OPEN, labelled.digest) == labelled
    (label,) = lead.datasets.labels(OPEN, labelled.digest)
    assert list(lead.datasets.quarantine(OPEN)) == []
    for picture in (
        lead.pictures.slice(OPEN, labelled.digest, size=64),
        lead.pictures.slice(OPEN, labelled.digest, window=(100.0, 50.0)),
        lead.pictures.label(OPEN, label.digest, size=64),
    ):
        assert picture.startswith(b"\x89PNG")


def test_a_session_does_what_a_token_does(service: Service) -> None:
    with Client(service.url) as client:
        with pytest.raises(NotSignedIn) as caught:
            client.session.me()
        assert "POST /api/v1/session" in caught.value.hint
        with pytest.raises(NotSignedIn):
            client.session.sign_in("lea", "wrong horse battery")
        assert client.session.sign_in("lea", PASSWORD).roles == {OPEN: Role.LEAD}
        assert client.runs.pause(service.run.id).status is RunStatus.PAUSED
        client.session.sign_out()
        with pytest.raises(NotSignedIn):
            client.session.me()


def test_accounts_come_and_tokens_go(service: Service, admin: Client) -> None:
    link = admin.accounts.add("eli")
    with Client(service.url) as client:
        assert client.session.accept(link.secret, PASSWORD).account == "eli"
        made = client.tokens.make("mine", Role.VIEWER)
        assert [one.id for one in client.tokens.list()] == [made.token.id]
        assert admin.accounts.grant("eli", OPEN, Role.READER).grants == {OPEN: Role.READER}
        with Client(service.url, made.text) as program:
            assert program.datasets.get(OPEN).role is Role.VIEWER
            with pytest.raises(NotAllowed):
                program.runs.pause(service.run.id)
            client.tokens.revoke(made.token.id)
            with pytest.raises(NotSignedIn):
                program.session.me()
    admin.accounts.withdraw("eli", OPEN)
    assert admin.accounts.invite("eli").secret
    assert not admin.accounts.change("eli", admin=False, active=False).active
    assert {"eli", "lea"} <= {one.name for one in admin.accounts.list()}


def test_the_audit_trail_is_read_and_verified(admin: Client, lead: Client) -> None:
    newest = next(admin.audit.list())
    noted = Head(number=newest.number, hash=newest.hash)
    verified = admin.audit.verify(noted)
    assert verified.holds
    assert verified.found == noted
    other = Head(number=newest.number, hash="0" * 64)
    assert not admin.audit.verify(other).holds
    with pytest.raises(NotAllowed):
        lead.audit.verify()


def test_a_run_from_its_start(service: Service, lead: Client, seed: int) -> None:
    started = lead.runs.start(OPEN, settings=WEIGHTS, seed=seed)
    assert (started.new, started.status) == (True, RunStatus.QUEUED)
    assert not lead.runs.start(OPEN, settings=WEIGHTS, seed=seed).new
    run = started.id
    assert next(lead.runs.list(OPEN)).id == run
    assert lead.runs.pause(run).status is RunStatus.PAUSED
    assert lead.runs.resume(run).status is RunStatus.QUEUED
    assert lead.runs.cancel(run).status is RunStatus.CANCELLED
    record = lead.runs.get(run)
    assert (record["seed"], record["status"]) == (seed, RunStatus.CANCELLED)
    assert list(lead.runs.steps(run)) == []
    (slice_, *_) = lead.datasets.slices(OPEN)
    assert lead.runs.story(run, slice_.name).slice == slice_


def test_data_come_in_and_go_out(service: Service, lead: Client, wire: LossyWire, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for name, (image, _) in slices(2, patient=31).items():
        (tmp_path / "images" / name).write_bytes(image)
    with at_work(service.platform):
        sent = lead.uploads.send(OPEN, tmp_path / "images", split=Split.UNLABELLED)
        done = lead.jobs.wait(sent.id)
        assert (done.outcome["added"], done.outcome["set_aside"]) == (2, 0)
        assert next(lead.jobs.list(OPEN)).id == sent.id
        wire.lose(1)
        job = lead.jobs.wait(lead.exports.start(service.run.id).id)
    with pytest.raises(NothingToDo):
        lead.exports.download(sent.id, tmp_path / "upload.zip")
    wire.lose(1)
    lead.exports.download(job.id, tmp_path / "export.zip")
    content = (tmp_path / "export.zip").read_bytes()
    assert hashlib.sha256(content).hexdigest() == job.outcome["digest"]
    damaged = export_job(service, "done", job.outcome | {"size_bytes": 100})
    with (
        Client(service.url, token_of(service, "lea"), patience_s=0.5) as client,
        pytest.raises(MaskloomError),
    ):
        client.exports.download(damaged, tmp_path / "export.zip")
    assert {path.name for path in tmp_path.iterdir()} == {"images", "export.zip"}
    assert (tmp_path / "export.zip").read_bytes() == content, "what was there stays"
    with pytest.raises(NotAllowed, match="expired"):
        lead.exports.file(job.id, "1", "0" * 64, tmp_path / "other.zip")


def test_an_upload_whose_answer_is_lost_is_not_sent_again(
    service: Service, lead: Client, wire: LossyWire, tmp_path: Path
) -> None:
    (tmp_path / "slice.png").write_bytes(next(iter(slices(1, patient=32).values()))[0])
    before = len(list(lead.jobs.list(OPEN)))
    wire.lose(1)
    with pytest.raises(ServiceUnavailable):
        lead.uploads.send(OPEN, tmp_path / "slice.png", split=Split.UNLABELLED)
    assert len(list(lead.jobs.list(OPEN))) == before + 1


def test_lists_about_a_run_and_its_reviews(
    service: Service, lead: Client, admin: Client, tmp_path: Path
) -> None:
    run = service.run.id
    for found in (lead.runs.rounds(run), lead.runs.checkpoints(run), lead.runs.evaluations(run)):
        assert list(found) == []
    assert list(lead.runs.curves(run, points=10)) == []
    assert lead.runs.gates(run).kept
    assert lead.comparisons.compare(run, run).differing == 0
    assert list(lead.reviews.list(run=run, is_open=True)) == []
    assert list(lead.reviews.queues(run)) == []
    assert lead.reviews.review(run)["run"] == run
    assert list(lead.models.list(OPEN)) == list(lead.models.promotions(OPEN)) == []
    with pytest.raises(UnknownName, match="no model"):
        lead.models.promote(OPEN, "none")
    assert list(lead.imports.sources(OPEN)) == []
    assert admin.datasets.make("made").classes
    admin.audit.table(tmp_path / "audit.csv", Sought(action="dataset"))
    assert "made" in (tmp_path / "audit.csv").read_text()
    assert {entry.act.target for entry in admin.audit.list(Sought(action="dataset"))} == {"made"}


def test_what_is_refused_raises_what_maskloom_raises(service: Service, lead: Client) -> None:
    with pytest.raises(UnknownName, match="there is no run"):
        lead.runs.get("000000000000")
    with pytest.raises(UnknownName, match="no data set"):
        lead.datasets.get("ünknown & ?a=b#")
    with pytest.raises(SettingsError, match="no recipe") as caught:
        lead.runs.start(OPEN, "semi-inf-nte")
    assert "semi-inf-net" in caught.value.hint
    with pytest.raises(NotAllowed):
        list(lead.accounts.list())


def test_a_lost_answer_is_asked_for_again_and_nothing_is_done_twice(
    service: Service, wire: LossyWire, lead: Client, seed: int
) -> None:
    started = acts(service, "run.started")
    wire.lose(3)
    run = lead.runs.start(OPEN, settings=WEIGHTS, seed=seed)
    assert run.new, "it is the first answer"
    assert wire.lost == 3
    assert acts(service, "run.started") == started + 1
    wire.lose(1)
    assert lead.runs.get(run.id)["run"] == run.id


def test_a_lost_secret_is_said_and_a_lost_goodbye_is_none(
    service: Service, wire: LossyWire, lead: Client
) -> None:
    wire.lose(1)
    with pytest.raises(Conflict) as caught:
        lead.tokens.make("lost", Role.VIEWER)
    assert "secret" in caught.value.message
    (lost,) = [one for one in lead.tokens.list() if one.label == "lost"]
    wire.lose(1)
    lead.tokens.revoke(lost.id)
    assert lost.id not in {one.id for one in lead.tokens.list()}


def test_events_go_on_after_every_loss(service: Service, wire: LossyWire, lead: Client, seed: int) -> None:
    run = lead.runs.start(OPEN, settings=WEIGHTS, seed=seed).id

    def happen(number: int) -> None:
        detail = {"number": number}
        service.platform.database.transaction(lambda c: runs.add_event(c, run, "queued", detail))

    followed = lead.runs.follow(run)
    assert next(followed).content["kind"] == "queued"
    seen = []
    for number in range(6):
        if number % 2:
            wire.cut()
        happen(number)
        event = next(followed)
        seen.append(event.content["detail"]["number"])
    assert seen == list(range(6))


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8042", "ftp://127.0.0.1", "http://ada:secret@127.0.0.1", "http://"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Client(url)
    assert "secret" not in str(caught.value)


def test_nobody_at_the_address_is_said(service: Service) -> None:
    with lossy(service.url) as wire:
        url = wire.url
    with (
        Client(url, "mlm_secret", patience_s=0.5) as client,
        pytest.raises(ServiceUnavailable, match="does not answer") as caught,
    ):
        client.session.me()
    assert "mlm_secret" not in str(caught.value) + caught.value.hint
