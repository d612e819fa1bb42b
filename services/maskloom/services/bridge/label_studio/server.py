"""An own Label Studio below a maskloom home: `maskloom review up` starts it, `maskloom review down` stops it.

It listens on a port of 127.0.0.1 that it keeps, and outlives the process that started it. `server.json` remembers it,
`token` and `password` hold what was drawn at random once; all three are for their user alone.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pydantic import SecretStr

from maskloom.platform.errors import ToolUnavailable, disk_hint
from maskloom.services.bridge import processes
from maskloom.services.bridge.label_studio import install
from maskloom.services.bridge.label_studio.install import Progress
from maskloom.services.bridge.locks import alone

USERNAME = "maskloom@localhost.localdomain"
_START_S = 180.0
_STOP_S = 20.0
_PORT_S = 5.0
_OTHERS_S = 1800.0  # another process may be installing
_ENVIRONMENT = {
    "DJANGO_DB": "sqlite",
    "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
    "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
    # Nothing leaves this machine.
    "COLLECT_ANALYTICS": "false",
    "LATEST_VERSION_CHECK": "false",
    "SENTRY_DSN": "",
    "FRONTEND_SENTRY_DSN": "",
    "SENTRY_RATE": "0",
    # The object store and maskloom itself may be on loopback or in a private network; clouds' metadata stay out of reach.
    "USE_DEFAULT_BANNED_SUBNETS": "false",
    "USER_ADDITIONAL_BANNED_SUBNETS": "169.254.0.0/16",
}
_INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE")
"""Nothing else of the user's environment reaches the server, above all no secrets and no settings of another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a client gets in."""

    url: str
    token: SecretStr


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A server that answers. `already`: it ran before. Readers log in as `username` with what `password_file` holds."""

    url: str
    username: str
    password_file: Path
    already: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """What `server.json` remembers. `created` is the process's start in seconds since 1970: ids are used again."""

    url: str
    port: int
    pid: int
    created: float
    username: str
    token_file: str


def up(home: Path, progress: Progress = lambda _: None, *, venv: Path | None = None) -> Started:
    """Starts the server, or joins the one that runs; installs it the first time. Returns once it answers.

    Args:
        home: a maskloom home; the server lives in `label-studio` below it.
        progress: is told what is going on.
        venv: an environment with Label Studio, or where to make one, in place of the home's own.

    Raises:
        ToolUnavailable: it cannot be installed or started; the message says what pip or the server said.
    """
    folder = _folder(home)
    with alone(
        folder / "lock", patience_s=_OTHERS_S, waiting=lambda: progress("Another process starts it: waiting")
    ):
        state = _read(folder)
        already = state is not None and _comes_up(state)
        if state is None or not (already or processes.is_alive(state.pid, state.created)):
            venv = venv or folder / "venv"
            install.ensure(venv, progress)
            progress("Starting Label Studio")
            state = _launch(folder, venv, _port(folder, state))
        if not already and not _comes_up(state):
            raise _not_up(folder, state)
    return Started(url=state.url, username=state.username, password_file=folder / "password", already=already)


def down(home: Path) -> bool:
    """Stops the server; False when none ran. Its data stay."""
    folder = _folder(home)
    with alone(folder / "lock", patience_s=_OTHERS_S):
        state = _read(folder)
        if state is None or not processes.is_alive(state.pid, state.created):
            return False
        if not processes.stop(state.pid, state.created, patience_s=_STOP_S):
            raise ToolUnavailable(
                f"the Label Studio of {home} (process {state.pid}) does not end",
                hint=f"End it with `kill -9 {state.pid}`.",
            )
        return True


def running(home: Path) -> Access | None:
    """How to get into the server of a home, or None when none runs."""
    folder = home.absolute() / "label-studio"
    state = _read(folder)
    if state is None or not processes.is_alive(state.pid, state.created):
        return None
    return Access(url=state.url, token=SecretStr(_secret(Path(state.token_file))))


def _launch(folder: Path, venv: Path, port: int) -> _State:
    url = f"http://127.0.0.1:{port}"
    token_file = folder / "token"
    (folder / "data").mkdir(exist_ok=True)
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    environment |= _ENVIRONMENT | {
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder / "data"),
        "LABEL_STUDIO_HOST": url,
        "LABEL_STUDIO_USERNAME": USERNAME,
        "LABEL_STUDIO_PASSWORD": _secret(folder / "password"),
        "LABEL_STUDIO_USER_TOKEN": _secret(token_file),
    }
    command = [str(install.program(venv)), "start", "--no-browser", "--internal-host", "127.0.0.1"]
    state = _State(url=url, port=port, pid=0, created=0.0, username=USERNAME, token_file=str(token_file))
    # If this process dies before it can write whom it started, the port, then taken, tells the next one.
    _write(folder / "server.json", json.dumps(asdict(state)))
    try:
        pid, created = processes.start([*command, "-p", str(port)], environment, folder / "server.log")
    except (OSError, subprocess.SubprocessError) as error:
        raise ToolUnavailable(
            f"cannot start {install.program(venv)}: {error}",
            hint=f"Remove {venv} to have it installed anew.",
        ) from error
    state = replace(state, pid=pid, created=created)
    _write(folder / "server.json", json.dumps(asdict(state)))
    return state


def _comes_up(state: _State) -> bool:
    return processes.comes_up(f"{state.url}/health", state.pid, state.created, patience_s=_START_S)


def _not_up(folder: Path, state: _State) -> ToolUnavailable:
    died = not processes.is_alive(state.pid, state.created)
    what = "ended" if died else f"has not answered for {_START_S:.0f} s"
    return ToolUnavailable(
        f"Label Studio {what}; it said: {processes.tail(folder / 'server.log')}",
        hint=f"See {folder / 'server.log'}. "
        + ("" if died else "`maskloom review down` stops it. ")
        + "Then run the command again.",
    )


def _port(folder: Path, last: _State | None) -> int:
    """The port of the last time, which readers have in their bookmarks, or else one that is free."""
    if last is None:
        return processes.free_port()
    # The threads of a server that was just ended may hold it a little longer.
    deadline = time.monotonic() + _PORT_S
    while not processes.is_free(last.port):
        if time.monotonic() > deadline:
            raise ToolUnavailable(
                f"port {last.port}, on which Label Studio ran before, is taken by another program",
                hint=f"End that program, or remove {folder / 'server.json'} to have another port chosen.",
            )
        time.sleep(0.05)
    return last.port


def _folder(home: Path) -> Path:
    folder = home.absolute() / "label-studio"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise ToolUnavailable(f"cannot make {folder}: {error.strerror}", hint=disk_hint(error)) from error
    return folder


def _read(folder: Path) -> _State | None:
    try:
        state = _State(**json.loads((folder / "server.json").read_text()))
        # In a copied home it is the original's server, with other data.
        return state if Path(state.token_file).parent.resolve() == folder.resolve() else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise ToolUnavailable(
            f"cannot read {folder / 'server.json'}: {error}",
            hint="Remove it; a Label Studio that still runs has to be ended by hand.",
        ) from error


def _secret(path: Path) -> str:
    """What a file holds; 40 random hexadecimal digits, written to it, where there is none."""
    try:
        return path.read_text()
    except FileNotFoundError:
        _write(path, secrets.token_hex(20))
    except OSError as error:
        raise ToolUnavailable(f"cannot read {path}: {error.strerror}", hint=disk_hint(error)) from error
    return path.read_text()


def _write(path: Path, text: str) -> None:
    """Writes a file that nobody but its user may read; whoever reads it meanwhile finds the old one or the new one."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        unfinished.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise ToolUnavailable(f"cannot write {path}: {error.strerror}", hint=disk_hint(error)) from error
