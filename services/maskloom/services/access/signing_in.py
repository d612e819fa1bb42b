"""How people come in: with a password, which gives a session, or first of all with a link that works once."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection

from maskloom.platform.account_facts import ACCOUNT_NAME, Account
from maskloom.platform.audit_facts import Act
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import accounts, audit, credentials
from maskloom.platform.errors import SettingsError
from maskloom.services.access import passwords
from maskloom.services.access.caller import Caller
from maskloom.services.errors import NotAllowed, NotSignedIn

SESSION_LIFETIME = timedelta(hours=12)
INVITATION_LIFETIME = timedelta(hours=24)
NOBODY = "-"


class Via(StrEnum):
    """By what somebody comes in, where it is neither a session nor a token yet."""

    PASSWORD = "password"  # noqa: S105 - a word, not one
    PROVIDER = "provider"


def sign_in(platform: Platform, name: str, password: str, address: str) -> str:
    """The secret of a new session. Raises NotSignedIn, which does not tell what was wrong; both are in the audit trail."""
    # Outside any transaction: argon2 takes its time, on purpose.
    kept = platform.database.transaction(lambda connection: accounts.password(connection, name))
    if not passwords.fits(password, kept):
        platform.database.transaction(lambda connection: _note_refusal(connection, name, address))
        raise NotSignedIn(
            "no account has that name and password", hint="An admin can give you a new password link."
        )
    return new_session(platform, name, address, Via.PASSWORD)


def new_session(platform: Platform, name: str, address: str, via: Via) -> str:
    """The secret of a session of an account whose owner has shown who they are."""
    secret = passwords.new_secret()

    def add(connection: Connection) -> None:
        credentials.add_session(connection, passwords.digest_of(secret), name, SESSION_LIFETIME, address)
        audit.append(connection, act("session.began", name, address, who=name, via=via))

    platform.database.transaction(add)
    return secret


def _note_refusal(connection: Connection, name: str, address: str) -> None:
    # What is the name of nobody may well be a password.
    known = accounts.find(connection, name) is not None
    audit.append(connection, act("session.refused", name if known else "unknown", address, who=NOBODY))


def sign_out(platform: Platform, secret: str, caller: Caller) -> None:
    """End the session of that secret, if it is one."""

    def end(connection: Connection) -> None:
        credentials.end_session(connection, passwords.digest_of(secret))
        audit.append(connection, caller.act("session.ended", caller.account.name))

    platform.database.transaction(end)


def sign_out_elsewhere(platform: Platform, secret: str, caller: Caller) -> int:
    """End every session of the caller but that of the secret; how many they were."""

    def end(connection: Connection) -> int:
        ended = credentials.end_sessions(connection, caller.account.name, passwords.digest_of(secret))
        audit.append(connection, caller.act("session.ended_elsewhere", caller.account.name, sessions=ended))
        return ended

    return platform.database.transaction(end)


def of_session(platform: Platform, secret: str) -> Account | None:
    """Whose session it is; None where it has ended."""
    digest = passwords.digest_of(secret)
    return platform.database.transaction(lambda connection: credentials.by_session(connection, digest))


def csrf_token(secret: str) -> str:
    """What a page of a session sends along with each change, which no page of another site can know."""
    return hashlib.sha256(f"csrf of {secret}".encode()).hexdigest()


def invite(connection: Connection, account: str | None, entry: Act) -> str:
    """The secret of a link that works once, to choose the password of `account`, or to become the first admin (None)."""
    secret = passwords.new_secret()
    credentials.invite(connection, passwords.digest_of(secret), account, INVITATION_LIFETIME)
    audit.append(connection, entry)
    return secret


def invite_first_admin(platform: Platform) -> str | None:
    """The secret of a link to become the first admin; None when there is one. An earlier such link is void from now on."""
    if platform.database.transaction(accounts.has_admin):
        return None
    entry = act("invitation.made", "the first admin", "this machine", who=NOBODY)
    return platform.database.transaction(lambda connection: invite(connection, None, entry))


def accept(platform: Platform, secret: str, name: str, password: str, address: str) -> str:
    """Take an invitation: choose the password, and with the first admin's also the name. The secret of a new session.

    Raises NotSignedIn for a link that is not one any more, SettingsError for a name or password that cannot be; then the
    link still works.
    """
    kept = passwords.hashed(password)

    def take(connection: Connection) -> str:
        invitation = credentials.take_invitation(connection, passwords.digest_of(secret))
        if invitation is None:
            raise NotSignedIn("this link has expired, or was used", hint="Ask an admin for a new one.")
        chosen = invitation.account
        if chosen is None:
            chosen = _first_admin(connection, name)
        accounts.set_password(connection, chosen, kept)
        credentials.end_sessions(connection, chosen)
        audit.append(connection, act("password.set", chosen, address, who=chosen))
        return chosen

    return new_session(platform, platform.database.transaction(take), address, Via.PASSWORD)


def _first_admin(connection: Connection, name: str) -> str:
    if accounts.has_admin(connection):
        raise NotSignedIn("there is an admin already", hint="Ask them for an account.")
    check_name(name)
    if not accounts.add(connection, name, admin=True):
        accounts.set_state(connection, name, admin=True, active=True)
    return name


def change_password(platform: Platform, caller: Caller, secret: str, old: str, new: str) -> None:
    """Give the caller another password; every session of theirs but that of the secret ends.

    Raises NotAllowed where `old` is not the one they have, SettingsError for a `new` one that cannot be.
    """
    name = caller.account.name
    kept = platform.database.transaction(lambda connection: accounts.password(connection, name))
    if not passwords.fits(old, kept):
        refusal = caller.act("password.refused", name)
        platform.database.transaction(lambda connection: audit.append(connection, refusal))
        raise NotAllowed(
            "that is not the password you have" if kept else "this account has no password",
            hint="An admin can give you a link to choose one.",
        )
    digest = passwords.hashed(new)

    def change(connection: Connection) -> None:
        accounts.set_password(connection, name, digest)
        credentials.end_sessions(connection, name, passwords.digest_of(secret))
        audit.append(connection, caller.act("password.set", name))

    platform.database.transaction(change)


def check_name(name: str) -> None:
    """Raise SettingsError for a name that no account can have."""
    if not ACCOUNT_NAME.fullmatch(name):
        raise SettingsError(
            f"{name[:64]!r} cannot be the name of an account",
            hint="1 to 64 small letters, digits and . _ @ -, the first one a letter or digit.",
        )


def act(action: str, target: str, address: str, *, who: str, via: Via = Via.PASSWORD, **detail: Any) -> Act:
    """What the audit trail keeps of somebody who is about to come in."""
    return Act(who=who, via=via, address=address, action=action, target=target, dataset=None, detail=detail)
