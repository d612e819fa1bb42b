"""`maskloom serve` as a process: how it begins, the first admin, the audit trail by command, and how it ends."""

from __future__ import annotations

import csv
import io
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
from alembic.script import ScriptDirectory

from maskloom.platform.audit_facts import Act
from maskloom.platform.bootstrap import open_platform
from maskloom.platform.catalog import audit
from maskloom.platform.catalog.database import MIGRATIONS
from maskloom.platform.settings import Settings
from support.asking import ask
from support.commands import Shell, wait_until
from support.service import API, PASSWORD, post


@pytest.fixture
def shell(maskloom_home: Path) -> Shell:
    return Shell(home=maskloom_home)


@contextmanager
def serving(shell: Shell, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = shell.start("serve", "--listen", "127.0.0.1:0", *arguments)
    try:
        yield process, line(process.stdout).removeprefix("maskloom answers at ")
        process.send_signal(signal.SIGTERM)
        said = shell.end(process)
        assert said.code == 0, said.err
        # What nobody asked for is not said: no link where there is an admin, no secret in the log.
        assert "#" not in said.out + said.err
    finally:
        process.kill()
        process.communicate()


def line(stream: IO[str] | None) -> str:
    assert stream
    return stream.readline().strip()


def link(process: subprocess.Popen[str], url: str) -> str:
    """The secret of the first admin's link."""
    assert "first admin" in line(process.stdout)
    page, _, secret = line(process.stdout).partition("#")
    assert page == f"{url}/welcome"
    return secret


def test_the_first_admin_comes_in_by_a_link_that_works_once(shell: Shell) -> None:
    with serving(shell) as (process, url):
        assert ask(f"{url}/readyz").json == {"database": "ok", "objects": "ok", "ray": "ok"}
        secret = link(process, url)
        for name, password in (("ada", "short"), ("Ada Lovelace", PASSWORD), ("", PASSWORD)):
            assert post(url, "/invitation", secret=secret, account=name, password=password).status == 422
        assert post(url, "/invitation", secret=secret[:-1], account="eve", password=PASSWORD).status == 401
        taken = post(url, "/invitation", secret=secret, account="ada", password=PASSWORD)
        assert taken.status == 204
        me = ask(url + API + "/me", Cookie=taken.headers["set-cookie"].partition(";")[0]).json
        assert (me["account"], me["admin"]) == ("ada", True)
        assert post(url, "/invitation", secret=secret, account="eve", password=PASSWORD).status == 401
    with serving(shell, "--role", "api") as (process, url):
        assert post(url, "/session", account="ada", password=PASSWORD).status == 204


def test_a_link_of_an_earlier_start_is_void(shell: Shell) -> None:
    with serving(shell, "--role", "api") as (process, url):
        old = link(process, url)
    with serving(shell, "--role", "api") as (process, url):
        new = link(process, url)
        assert post(url, "/invitation", secret=old, account="ada", password=PASSWORD).status == 401
        assert post(url, "/invitation", secret=new, account="ada", password=PASSWORD).status == 204


@pytest.mark.parametrize("place", ["8042", "127.0.0.1:99999", "192.0.2.1:0", "nowhere.invalid:0"])
def test_a_place_that_cannot_be_listened_at_is_said(shell: Shell, place: str) -> None:
    said = shell("serve", "--role", "api", "--listen", place)
    assert said.code == 2
    assert "--listen" in said.err


def test_the_audit_trail_by_command(shell: Shell, tmp_path: Path) -> None:
    def add(target: str) -> None:
        act = Act(who="ada", via="session", address="::1", action="run.started", target=target)
        platform.database.transaction(lambda c: audit.append(c, act))

    assert "It is empty" in shell("audit", "verify").out
    with open_platform(Settings(home=shell.home)) as platform:
        for target in ("r", '=cmd|"/c calc"!A1\n,x', "-1", "Ünï;\"'"):
            add(target)
        said = shell("audit", "verify")
        assert said.code == 0
        noted = said.out.split()[-1]
        add("later")
        assert shell("audit", "verify", "--noted", noted).code == 0
        other = noted[:-1] + ("0" if noted[-1] != "0" else "1")
        assert shell("audit", "verify", "--noted", other).code == 1
        assert shell("audit", "verify", "--noted", "4").code == 2
        assert shell("audit", "export", "--out", tmp_path / "trail.csv").code == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "trail.csv").read_text(), newline="")))
    targets = [row["target"] for row in rows]
    assert targets == ["r", '\'=cmd|"/c calc"!A1\n,x', "'-1", "Ünï;\"'", "later"]
    assert f"{rows[3]['number']}:{rows[3]['hash']}" == noted
    assert [row["previous"] for row in rows[1:]] == [row["hash"] for row in rows[:-1]]


def test_a_scheduler_beats_while_it_looks_and_no_longer(shell: Shell) -> None:
    beat = shell.home / "beat"
    process = shell.start("serve", "--role", "scheduler", "--beat", str(beat))
    try:
        wait_until(beat.exists)
        first = beat.stat().st_mtime
        wait_until(lambda: beat.stat().st_mtime > first)
        process.send_signal(signal.SIGSTOP)  # it hangs
        stopped = beat.stat().st_mtime
        time.sleep(2.5)
        assert beat.stat().st_mtime == stopped
        process.send_signal(signal.SIGCONT)
        wait_until(lambda: beat.stat().st_mtime > stopped)
        process.send_signal(signal.SIGTERM)
        assert shell.end(process).code == 0
    finally:
        process.kill()
        process.communicate()


def test_the_database_is_brought_up_to_date_by_a_command_of_its_own(shell: Shell, catalog_url: str) -> None:
    newest = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    for _ in range(2):  # the second has nothing to do
        said = shell("migrate", MASKLOOM_DATABASE_URL=catalog_url)
        assert said.code == 0, said.err
        assert said.out == f"the database is at {newest}\n"
