"""`maskloom login`: a token for a maskloom that serves, kept where only this user reads it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from maskloom.platform.errors import OutputUnwritable, SettingsError, disk_hint


def login(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where that maskloom answers.")],
) -> None:
    """Keep a token for a maskloom that serves, so that commands with --server URL may act in your name.

    Make the token there. It is asked for, or read from standard input: an argument would be seen by others.
    """
    from getpass import getpass

    from maskloom.platform.settings import Settings
    from maskloom.services.cli.output import people
    from maskloom.services.client import Client

    token = (getpass("Token: ") if sys.stdin.isatty() else sys.stdin.readline()).strip()
    if not token:
        raise SettingsError("there is no token on standard input", hint=f"Make one at {url}, and paste it.")
    with Client(url, token) as client:
        me = client.session.me()
    path = _keep(Settings().home, url, token)
    people().print(f"You are {me.account} at {url}. The token is kept in {path}.")


def kept_token(home: Path, url: str) -> str | None:
    """The token for that address; None where none was kept."""
    return _kept(home).get(_name(url))


def _kept(home: Path) -> dict[str, str]:
    path = _path(home)
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"cannot read {path}: {error}", hint="Remove it, and keep your tokens anew with `maskloom login`."
        ) from error


def _keep(home: Path, url: str, token: str) -> Path:
    tokens = _kept(home) | {_name(url): token}
    path = _path(home)
    new = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        home.mkdir(parents=True, exist_ok=True)
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(tokens, file, indent=2)
        new.replace(path)
    except OSError as error:
        raise OutputUnwritable(f"cannot write {path}: {error.strerror}", hint=disk_hint(error)) from error
    return path


def _path(home: Path) -> Path:
    return home / "tokens.json"


def _name(url: str) -> str:
    return url.rstrip("/")
