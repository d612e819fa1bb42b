"""An own PostgreSQL as a child process: the catalog's server where MASKLOOM_DATABASE_URL names none.

One server serves all processes of one home. It listens on a unix socket alone, in a folder that only its user
(and root) may enter, so it needs neither a port nor a password. Three locks in `home/locks` do all the
bookkeeping; the kernel drops them when a process dies, so whatever was killed is found as it is:

- `starting`: held by the one process that looks for, starts or stops the server;
- `users`: held (shared) by every process that uses the server; who can take it alone was the last one;
- `server`: inherited and held by PostgreSQL itself, for as long as any of its processes lives.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg2
from sqlalchemy import URL

from maskloom.platform.errors import CatalogUnavailable, disk_hint
from maskloom.platform.postgres_place import Place, prepare_place

_USER = "maskloom"
_DATABASE = "postgres"
_PORT = "5432"  # only a part of the socket's name: nothing listens on TCP
_PATIENCE_S = 120.0  # for another process that starts, or for the recovery after a crash
_SETTINGS = {
    "listen_addresses": "",
    "port": _PORT,
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "dynamic_shared_memory_type": "mmap",  # files below the data, where a killed server's are found and removed
    "max_wal_size": "256MB",
    "wal_level": "minimal",  # no replicas: bulk inserts write less
    "max_wal_senders": "0",
    # One call for the whole file system instead of one for each of a thousand files: a restart after a kill is four
    # times as fast. Only Linux has it.
    "recovery_init_sync_method": "syncfs" if sys.platform == "linux" else "fsync",
    "jit": "off",  # the catalog's queries are over before they would be compiled
    "timezone": "UTC",
}
_PG_CTL = ("--silent", "--wait", f"--timeout={_PATIENCE_S:.0f}", "-D", "data")
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}  # no PG* variable of the user reaches the server
_LEAST_ROOM = 1_000_000  # bytes
_COMPLAINT = re.compile(r"\b(FATAL|PANIC|error):")


class EmbeddedPostgres:
    """The PostgreSQL of one home folder. Threads may share it.

    Both methods raise `CatalogUnavailable` with what PostgreSQL or the operating system said.
    """

    def __init__(self, home: Path) -> None:
        self._home = home.absolute()
        self._locks = self._home / "locks"
        self._threads = threading.Lock()
        self._use: int | None = None
        self._place: Place | None = None

    def ensure(self) -> str:
        """Starts the server, or joins the one that runs already, and returns its SQLAlchemy URL.

        Call it again whenever a connection fails: it starts a server that was killed, under the same URL.
        """
        with self._threads, self._one_at_a_time():
            if self._use is None:
                self._use = _lock(self._locks / "users", fcntl.LOCK_SH)
            self._place = self._place or prepare_place(self._home)
            if not _answers(self._place):
                self._start(self._place)
            return _url(self._place)

    def release(self) -> None:
        """Ends this object's use of the server, which the last user stops. Does nothing before `ensure`."""
        with self._threads:
            if self._use is None:
                return
            with self._one_at_a_time():
                os.close(self._use)
                self._use = None
                alone = _try_lock(self._locks / "users", fcntl.LOCK_EX)
                if alone is not None:
                    os.close(alone)
                    if self._place is not None:
                        self._stop(self._place)

    def _start(self, place: Place) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while (lock := _try_lock(self._locks / "server", fcntl.LOCK_EX)) is None:
            # It recovers from a crash, or these are the last moments of a killed server's children.
            if _answers(place):
                return
            if time.monotonic() > deadline:
                raise CatalogUnavailable(
                    f"the PostgreSQL of {self._home} runs but has not answered for {_PATIENCE_S:.0f} s",
                    hint=f"See {place.log}. End its processes (`ps -ef | grep postgres`) and try again.",
                )
            time.sleep(0.05)
        try:
            if not place.data.exists():
                _create(place)
            place.make_socket_folder()
            # With the lock in hand no server runs. A killed one leaves its process id in these files, and
            # PostgreSQL would not start if that id belonged to a zombie or to another program by now.
            for remains in (place.data / "postmaster.pid", place.sockets / f".s.PGSQL.{_PORT}.lock"):
                remains.unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                place.log.replace(place.log.with_name("log.1"))
            options = " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items())
            options += f" -c unix_socket_directories={place.sockets}"
            _run(place, "pg_ctl", "start", *_PG_CTL, "-l", place.log.name, "-o", options, inherit=lock)
        finally:
            os.close(lock)

    def _stop(self, place: Place) -> None:
        lock = _try_lock(self._locks / "server", fcntl.LOCK_EX)
        if lock is None:
            _run(place, "pg_ctl", "stop", "-m", "fast", *_PG_CTL)
            lock = _lock_within(self._locks / "server", _PATIENCE_S)  # until its last process is gone
        if lock is not None:
            os.close(lock)
        place.remove_socket_folder()

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        try:
            self._locks.mkdir(parents=True, exist_ok=True)
            lock = _lock_within(self._locks / "starting", _PATIENCE_S)
            if lock is None:
                raise CatalogUnavailable(
                    f"another process has held {self._locks / 'starting'} for {_PATIENCE_S:.0f} s",
                    hint=f"Find it with `fuser {self._locks / 'starting'}` and end it.",
                )
            try:
                yield
            finally:
                os.close(lock)
        except OSError as error:
            raise CatalogUnavailable(
                f"cannot keep a PostgreSQL in {self._home}: {error}", hint=disk_hint(error)
            ) from error


def _url(place: Place) -> str:
    query = {"host": str(place.sockets), "port": _PORT}
    url = URL.create("postgresql+psycopg2", username=_USER, database=_DATABASE, query=query)
    return url.render_as_string(hide_password=False)


def _answers(place: Place) -> bool:
    if not place.socket_folder_is_safe():
        return False
    try:
        psycopg2.connect(
            host=str(place.sockets), port=_PORT, user=_USER, dbname=_DATABASE, connect_timeout=5
        ).close()
    except psycopg2.OperationalError as error:
        # "FATAL: sorry, too many clients" is an answer; "FATAL: the database system is starting up" is not.
        return "FATAL:" in str(error) and "the database system is" not in str(error)
    return True


def _create(place: Place) -> None:
    """Makes an empty database cluster; one that was killed half-way is made anew."""
    unfinished = place.folder / "data.unfinished"
    if unfinished.exists():
        shutil.rmtree(unfinished)
    access = ["--auth-local=trust", "--auth-host=reject", f"--username={_USER}"]
    _run(place, "initdb", "-D", unfinished.name, "--encoding=UTF8", "--no-locale", *access)
    unfinished.rename(place.data)


def _run(place: Place, program: str, *arguments: str, inherit: int | None = None) -> None:
    """Runs one of PostgreSQL's programs as the server's user.

    `pg_ctl start` gives the server a session of its own, out of reach of the terminal's Ctrl-C.
    """
    done = subprocess.run(
        [place.binaries / program, *arguments],
        cwd=place.folder,
        env=_ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        pass_fds=() if inherit is None else (inherit,),
        user=place.user.pw_uid if place.user else None,
        group=place.user.pw_gid if place.user else None,
        extra_groups=[] if place.user else None,
    )
    if done.returncode != 0:
        raise _failure(place, program, done.stdout)


def _failure(place: Place, program: str, output: str) -> CatalogUnavailable:
    said = output + (place.log.read_text(errors="replace") if place.log.exists() else "")
    if shutil.disk_usage(place.folder).free < _LEAST_ROOM:  # then its log had no room either
        said += f"\nFATAL: {os.strerror(errno.ENOSPC)}"
    complaints = [line.strip() for line in said.splitlines() if _COMPLAINT.search(line)]
    reason = complaints[-1] if complaints else " ".join(output.split())
    codes = [code for code in (errno.ENOSPC, errno.EACCES, errno.EROFS) if os.strerror(code) in said]
    hint = disk_hint(OSError(codes[0], reason)) if codes else f"The rest of what it said is in {place.log}."
    return CatalogUnavailable(f"{program} failed for the catalog in {place.folder}: {reason}", hint=hint)


def _lock(path: Path, kind: int) -> int:
    """Takes a lock, waiting if need be; closing the returned descriptor gives it back."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, kind)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _try_lock(path: Path, kind: int) -> int | None:
    """As `_lock`, but None at once when somebody else holds it."""
    try:
        return _lock(path, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return None


def _lock_within(path: Path, seconds: float) -> int | None:
    """Takes a lock alone, or None when somebody else holds it for that long."""
    deadline = time.monotonic() + seconds
    while (lock := _try_lock(path, fcntl.LOCK_EX)) is None and time.monotonic() < deadline:
        time.sleep(0.02)
    return lock
