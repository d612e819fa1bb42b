"""The embedded PostgreSQL: found, taken over or started again, whatever was killed before."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg2
import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from maskloom.platform.embedded import EmbeddedPostgres
from maskloom.platform.errors import CatalogUnavailable
from support.servers import postgres_processes, postmasters, scalar

USER_OF_THE_SERVER = """
import signal
import sys
from pathlib import Path
from maskloom.platform.embedded import EmbeddedPostgres

# A shell that starts tests in the background has them ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)
postgres = EmbeddedPostgres(Path(sys.argv[1]))
print(postgres.ensure(), flush=True)
sys.stdin.readline()
postgres.release()
print("released", flush=True)
"""


@contextmanager
def another_process(home: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that prints the server's URL, and releases the server when it is sent a line."""
    with subprocess.Popen(
        [sys.executable, "-c", USER_OF_THE_SERVER, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        yield process
        process.kill()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.write("release\n")
    process.stdin.flush()


def postmaster(home: Path) -> psutil.Process:
    (only,) = postmasters(home)
    return only


def kill_postmaster(home: Path) -> None:
    process = postmaster(home)
    process.kill()
    while process in postmasters(home):
        time.sleep(0.005)


def test_it_starts_in_an_empty_home_and_stops(maskloom_home: Path) -> None:
    home = maskloom_home / "not" / "there yet"
    postgres = EmbeddedPostgres(home)
    postgres.release()
    assert not home.exists()
    url = postgres.ensure()
    assert postgres.ensure() == url
    assert scalar(url, "SELECT current_setting('fsync')") == "on"
    assert scalar(url, "SELECT current_setting('server_encoding')") == "UTF8"
    postgres.release()
    postgres.release()
    assert postgres_processes(home) == []
    assert postgres.ensure() == url
    postgres.release()
    assert postgres_processes(home) == []


def test_only_its_user_can_reach_it(maskloom_home: Path) -> None:
    EmbeddedPostgres(maskloom_home).ensure()
    server = postmaster(maskloom_home)
    assert {connection.status for connection in server.net_connections("inet")} == set()
    assert server.uids().effective != 0
    assert server.gids().effective != 0
    data = Path(server.cwd())
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert (data / ".s.PGSQL.5432").is_socket()


def test_all_that_was_committed_is_there_after_kill_9(maskloom_home: Path) -> None:
    postgres = EmbeddedPostgres(maskloom_home)
    url = postgres.ensure()
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE fact (id int PRIMARY KEY)"))
    acknowledged: list[int] = []
    writer = threading.Thread(target=insert_until_killed, args=(engine, acknowledged))
    writer.start()
    while len(acknowledged) < 200:
        time.sleep(0.005)
    kill_postmaster(maskloom_home)
    writer.join(timeout=30)
    engine.dispose()
    assert postgres.ensure() == url
    rows = scalar(url, "SELECT count(*) FROM fact")
    assert rows in {len(acknowledged), len(acknowledged) + 1}  # one may be committed, its answer lost
    assert scalar(url, "SELECT max(id) + 1 FROM fact") == rows
    postgres.release()
    assert postgres_processes(maskloom_home) == []


def insert_until_killed(engine: Engine, acknowledged: list[int]) -> None:
    with engine.connect() as connection:
        for number in range(100_000):
            try:
                connection.execute(text("INSERT INTO fact VALUES (:id)"), {"id": number})
            except OperationalError:
                connection.invalidate()
                return
            acknowledged.append(number)


def test_every_process_of_a_killed_server_can_bring_it_back(maskloom_home: Path) -> None:
    postgres = EmbeddedPostgres(maskloom_home)
    with another_process(maskloom_home) as other:
        url = line_of(other)
        for _ in range(3):
            kill_postmaster(maskloom_home)
            assert postgres.ensure() == url
        tell(other)
        assert line_of(other) == "released"
    assert scalar(url, "SELECT 1") == 1


def test_a_server_whose_parent_was_killed_is_taken_over(maskloom_home: Path) -> None:
    with another_process(maskloom_home) as first:
        url = line_of(first)
        server = postmaster(maskloom_home).pid
        first.kill()
    assert postmaster(maskloom_home).pid == server
    with another_process(maskloom_home) as second:
        assert line_of(second) == url
        assert postmaster(maskloom_home).pid == server
        tell(second)
        assert line_of(second) == "released"
    assert postgres_processes(maskloom_home) == []


def test_processes_that_start_at_once_share_one_server(maskloom_home: Path) -> None:
    with another_process(maskloom_home) as one, another_process(maskloom_home) as two:
        with another_process(maskloom_home) as three:
            urls = {line_of(process) for process in (one, two, three)}
            assert len(urls) == 1
            server = postmaster(maskloom_home).pid
        for process in (one, two):
            assert postmaster(maskloom_home).pid == server
            tell(process)
            assert line_of(process) == "released"
    assert postgres_processes(maskloom_home) == []


def test_objects_and_threads_of_one_process_count_as_users(maskloom_home: Path) -> None:
    first, second = EmbeddedPostgres(maskloom_home), EmbeddedPostgres(maskloom_home)
    threads = [threading.Thread(target=postgres.ensure) for postgres in (first, second) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    url = first.ensure()
    first.release()
    assert scalar(url, "SELECT 1") == 1
    second.release()
    assert postgres_processes(maskloom_home) == []


def test_ctrl_c_in_the_terminal_does_not_reach_it(maskloom_home: Path) -> None:
    with another_process(maskloom_home) as process:
        url = line_of(process)
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=10)
    assert scalar(url, "SELECT 1") == 1


def test_a_process_id_that_was_used_again_does_not_stop_it(maskloom_home: Path) -> None:
    postgres = EmbeddedPostgres(maskloom_home)
    postgres.ensure()
    server = postmaster(maskloom_home)
    user, process_file = server.uids().effective, Path(server.cwd()) / "postmaster.pid"
    text_of_it = process_file.read_text()
    postgres.release()
    with subprocess.Popen(["sleep", "600"], user=user if os.geteuid() == 0 else None) as stranger:
        process_file.write_text(text_of_it.replace(str(server.pid), str(stranger.pid), 1))
        assert scalar(postgres.ensure(), "SELECT 1") == 1
        assert stranger.poll() is None
        stranger.kill()


def test_a_first_start_that_was_killed_is_done_again(maskloom_home: Path) -> None:
    postgres = EmbeddedPostgres(maskloom_home)
    postgres.ensure()
    postgres.release()
    data = (maskloom_home / "postgres").resolve() / "data"
    data.rename(data.with_name("data.unfinished"))
    (data.with_name("data.unfinished") / "PG_VERSION").unlink()
    assert scalar(EmbeddedPostgres(maskloom_home).ensure(), "SELECT 1") == 1


def test_a_full_set_of_connections_is_no_dead_server(maskloom_home: Path) -> None:
    postgres = EmbeddedPostgres(maskloom_home)
    url = postgres.ensure().replace("+psycopg2", "")
    connections = [psycopg2.connect(url) for _ in range(60)]
    with pytest.raises(psycopg2.OperationalError, match="too many clients"):
        psycopg2.connect(url)
    server = postmaster(maskloom_home).pid
    assert postgres.ensure().replace("+psycopg2", "") == url
    assert postmaster(maskloom_home).pid == server
    for connection in connections:
        connection.close()


def test_a_home_with_a_long_or_odd_name(maskloom_home: Path) -> None:
    for name in ("a" * 120, "Dr. O'Brien's \"CT\" $HOME, für alle"):
        home = maskloom_home / name
        postgres = EmbeddedPostgres(home)
        url = postgres.ensure()
        sockets = Path(str(make_url(url).query["host"]))
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        kill_postmaster(home)
        assert postgres.ensure() == url
        postgres.release()
        assert not sockets.exists()
        sockets.mkdir(mode=0o700)
        os.chown(sockets, (home / "postgres").stat().st_uid, -1)
        sockets.chmod(0o777)
        expect_refusal(postgres, sockets)
        sockets.rmdir()
        sockets.symlink_to(maskloom_home)
        expect_refusal(postgres, sockets)
        sockets.unlink()
        if os.geteuid() == 0:
            sockets.mkdir(mode=0o700)
            os.chown(sockets, 12345, -1)
            expect_refusal(postgres, sockets)
            sockets.rmdir()


def expect_refusal(postgres: EmbeddedPostgres, sockets: Path) -> None:
    """Somebody else has put something where the socket's folder should be."""
    with pytest.raises(CatalogUnavailable, match=str(sockets)) as caught:
        postgres.ensure()
    assert "Remove" in caught.value.hint
