"""Queries on what lets somebody in: sessions, tokens and invitations.

`secret` is everywhere the sha256 of one, never the secret itself. What has expired is as if it were not there.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from maskloom.platform.account_facts import Account, Invitation, Role, Session, Token
from maskloom.platform.catalog import accounts
from maskloom.platform.catalog.account_schema import accounts as account_table
from maskloom.platform.catalog.account_schema import invitations, sessions, tokens

_NOW = func.clock_timestamp()
_USE_NOTED_EVERY = timedelta(minutes=10)
"""So that a busy token is not written at each of its requests."""
# Each request asks one of these: they are put together once.
_BY_SESSION = accounts.ACCOUNTS.join(sessions, sessions.c.account == account_table.c.name).where(
    account_table.c.active, sessions.c.secret == bindparam("secret"), sessions.c.expires_at > _NOW
)
_BY_TOKEN = (
    accounts.ACCOUNTS.add_columns(*tokens.c)
    .join(tokens, tokens.c.account == account_table.c.name)
    .where(
        account_table.c.active,
        tokens.c.id == bindparam("token"),
        tokens.c.secret == bindparam("secret"),
        tokens.c.expires_at > _NOW,
    )
)


def add_session(connection: Connection, secret: str, account: str, lifetime: timedelta, address: str) -> None:
    """Let `account`, which asks from `address`, in for `lifetime`. Sessions that have expired are forgotten."""
    connection.execute(delete(sessions).where(sessions.c.expires_at <= _NOW))
    connection.execute(
        insert(sessions).values(secret=secret, account=account, address=address, expires_at=_NOW + lifetime)
    )


def by_session(connection: Connection, secret: str) -> Account | None:
    """Whose session it is, where they are still let in."""
    row = connection.execute(_BY_SESSION, {"secret": secret}).one_or_none()
    return None if row is None else accounts.account_of(row)


def end_session(connection: Connection, secret: str) -> None:
    """Forget a session."""
    connection.execute(delete(sessions).where(sessions.c.secret == secret))


def sessions_of(connection: Connection, account: str, here: str) -> list[Session]:
    """The sessions of an account, newest first; `here` is the secret of the one that asks."""
    query = select(sessions).where(sessions.c.account == account, sessions.c.expires_at > _NOW)
    return [
        Session(address=row.address, began_at=row.at, expires_at=row.expires_at, here=row.secret == here)
        for row in connection.execute(query.order_by(sessions.c.at.desc()))
    ]


def end_sessions(connection: Connection, account: str, but: str = "") -> int:
    """Forget every session of an account, but for that of the secret `but`; how many they were."""
    query = delete(sessions).where(sessions.c.account == account, sessions.c.secret != but)
    return connection.execute(query).rowcount


def add_token(
    connection: Connection,
    secret: str,
    lifetime: timedelta,
    *,
    token_id: str,
    account: str,
    label: str,
    role: Role,
    dataset: str | None,
) -> Token:
    """Insert a token that works for `lifetime`."""
    row = insert(tokens).values(
        id=token_id,
        account=account,
        label=label,
        role=role,
        dataset=dataset,
        secret=secret,
        expires_at=_NOW + lifetime,
    )
    return _token(connection.execute(row.returning(tokens)).one())


def by_token(connection: Connection, token_id: str, secret: str) -> tuple[Token, Account] | None:
    """The token of that id and secret with its account, where that is still let in."""
    row = connection.execute(_BY_TOKEN, {"token": token_id, "secret": secret}).one_or_none()
    if row is None:
        return None
    stale = tokens.c.used_at.is_(None) | (tokens.c.used_at < _NOW - _USE_NOTED_EVERY)
    if row.used_at is None or datetime.now(UTC) - row.used_at > _USE_NOTED_EVERY:
        connection.execute(update(tokens).where(tokens.c.id == token_id, stale).values(used_at=_NOW))
    return _token(row), accounts.account_of(row)


def tokens_of(connection: Connection, account: str) -> list[Token]:
    """The tokens of an account, oldest first, those that have expired too."""
    rows = connection.execute(select(tokens).where(tokens.c.account == account).order_by(tokens.c.at))
    return [_token(row) for row in rows]


def count_tokens(connection: Connection, account: str) -> int:
    """How many tokens of an account still work. Who makes one more waits until this transaction ends."""
    connection.execute(select(account_table.c.name).where(account_table.c.name == account).with_for_update())
    query = select(func.count()).where(tokens.c.account == account, tokens.c.expires_at > _NOW)
    return connection.execute(query).scalar_one()


def end_token(connection: Connection, account: str, token_id: str) -> bool:
    """Forget a token of `account`; False when there is no such."""
    return (
        connection.execute(
            delete(tokens).where(tokens.c.account == account, tokens.c.id == token_id)
        ).rowcount
        == 1
    )


def invite(connection: Connection, secret: str, account: str | None, lifetime: timedelta) -> None:
    """Let who knows the secret choose the password of `account`, or be the first admin where it is None.

    An earlier invitation of the same is void from now on.
    """
    connection.execute(delete(invitations).where(invitations.c.account.is_not_distinct_from(account)))
    connection.execute(insert(invitations).values(secret=secret, account=account, expires_at=_NOW + lifetime))


def take_invitation(connection: Connection, secret: str) -> Invitation | None:
    """The invitation of that secret, which nobody can take again; None where there is none."""
    taken = (
        delete(invitations)
        .where(invitations.c.secret == secret, invitations.c.expires_at > _NOW)
        .returning(invitations.c.account)
    )
    row = connection.execute(taken).one_or_none()
    return None if row is None else Invitation(account=row.account)


def _token(row: Row[Any]) -> Token:
    return Token(
        id=row.id,
        account=row.account,
        label=row.label,
        role=Role(row.role),
        dataset=row.dataset,
        made_at=row.at,
        expires_at=row.expires_at,
        used_at=row.used_at,
    )
