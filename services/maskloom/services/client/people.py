"""Coming in, tokens, accounts and the audit trail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import SecretStr, TypeAdapter

from maskloom.platform.account_facts import Account, Role, Token
from maskloom.platform.account_facts import Session as SignedIn
from maskloom.platform.audit_facts import Entry, Head, Sought
from maskloom.services.api.views import (
    Acceptance,
    AccountState,
    Credentials,
    Grant,
    Link,
    MadeToken,
    Me,
    NewAccount,
    NewPassword,
    NewToken,
    Verification,
)
from maskloom.services.client.files import download
from maskloom.services.client.transport import Transport, part

_ME = TypeAdapter(Me)
_SIGNED_IN = TypeAdapter(SignedIn)
_TOKEN = TypeAdapter(Token)
_MADE = TypeAdapter(MadeToken)
_ACCOUNT = TypeAdapter(Account)
_LINK = TypeAdapter(Link)
_ENTRY = TypeAdapter(Entry)
_VERIFICATION = TypeAdapter(Verification)
_ALL = Sought()


class Session:
    """Coming in with a password, and who you are."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def sign_in(self, account: str, password: str) -> Me:
        """Begin a session, which this client has until `sign_out`, or for twelve hours."""
        given = Credentials(account=account, password=SecretStr(password))
        self._transport.ask("POST", "/session", body=given, repeatable=False)
        return self._come_in()

    def accept(self, secret: str, password: str, account: str = "") -> Me:
        """Take an invitation: choose a password (and as the first admin a name), and begin a session."""
        given = Acceptance(secret=SecretStr(secret), account=account, password=SecretStr(password))
        self._transport.ask("POST", "/invitation", body=given, repeatable=False)
        return self._come_in()

    def sign_out(self) -> None:
        """End the session."""
        self._transport.ask("DELETE", "/session")

    def me(self) -> Me:
        """Who you are, and what you may do."""
        return self._transport.get("/me", _ME)

    def change_password(self, old: str, new: str) -> None:
        """Choose another password: every other session of yours ends. It is not sent again where its answer is lost."""
        given = NewPassword(old=SecretStr(old), new=SecretStr(new))
        self._transport.ask("PUT", "/me/password", body=given, repeatable=False)

    def every(self) -> Iterator[SignedIn]:
        """Where you are signed in, the newest first."""
        return self._transport.everything("/sessions", _SIGNED_IN)

    def end_others(self) -> None:
        """End all your sessions but this one."""
        self._transport.ask("DELETE", "/sessions")

    def _come_in(self) -> Me:
        me = self.me()
        self._transport.let_in(me.csrf_token)
        return me


class Tokens:
    """Your programs' ways in."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> Iterator[Token]:
        """Your tokens, without their secrets."""
        return self._transport.everything("/tokens", _TOKEN)

    def make(self, label: str, role: Role, *, dataset: str | None = None, days: int = 90) -> MadeToken:
        """Make a token. Its text is in this answer, and nowhere else.

        Raises Conflict where the answer was lost on its way: then there is a token that nobody knows. Revoke it.
        """
        wanted = NewToken(label=label, role=role, dataset=dataset, days=days)
        return self._transport.change("POST", "/tokens", _MADE, wanted)

    def revoke(self, token: str) -> None:
        """End a token, by its id."""
        self._transport.ask("DELETE", f"/tokens/{part(token)}")


class Accounts:
    """Who may come in, and their roles: for admins."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> Iterator[Account]:
        """All accounts, by name."""
        return self._transport.everything("/accounts", _ACCOUNT)

    def add(self, name: str, *, admin: bool = False) -> Link:
        """Make an account. Its owner chooses a password with the invitation: `URL/welcome#SECRET`."""
        return self._transport.change("POST", "/accounts", _LINK, NewAccount(name=name, admin=admin))

    def invite(self, account: str) -> Link:
        """Let the owner of an account choose a new password."""
        return self._transport.change("POST", f"/accounts/{part(account)}/invitation", _LINK)

    def change(self, account: str, *, admin: bool, active: bool) -> Account:
        """Make an account an admin or not, and let it in or not."""
        state = AccountState(admin=admin, active=active)
        return self._transport.change("PUT", f"/accounts/{part(account)}", _ACCOUNT, state)

    def grant(self, account: str, dataset: str, role: Role) -> Account:
        """Give an account a role on a data set."""
        path = f"/accounts/{part(account)}/roles/{part(dataset)}"
        return self._transport.change("PUT", path, _ACCOUNT, Grant(role=role))

    def withdraw(self, account: str, dataset: str) -> None:
        """Take an account's role on a data set away."""
        self._transport.ask("DELETE", f"/accounts/{part(account)}/roles/{part(dataset)}")


class Audit:
    """Who did what: for admins."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, sought: Sought = _ALL) -> Iterator[Entry]:
        """What was done, newest first."""
        return self._transport.everything("/audit", _ENTRY, limit=500, **_query(sought))

    def table(self, out: Path, sought: Sought = _ALL) -> None:
        """Write what was done to the file `out` as CSV, oldest first; it is there once it is whole. That is noted as well."""
        download(self._transport, "/audit.csv", out, query=_query(sought))

    def verify(self, noted: Head | None = None) -> Verification:
        """Look whether every entry is as it was written, and `noted`, a head of former days, is in it."""
        text = None if noted is None else f"{noted.number}:{noted.hash}"
        return self._transport.get("/audit/verification", _VERIFICATION, noted=text)


def _query(sought: Sought) -> dict[str, Any]:
    asked = {name: value for name, value in asdict(sought).items() if value is not None}
    return asked | {name: asked[name].isoformat() for name in ("since", "until") if name in asked}
