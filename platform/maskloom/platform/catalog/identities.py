"""Queries on who signs in with an OpenID Connect provider, and on how everybody does."""

from __future__ import annotations

from sqlalchemy import Connection, func, insert, select

from maskloom.platform.account_facts import Identity, WaysIn
from maskloom.platform.catalog.account_schema import accounts, identities


def find(connection: Connection, identity: Identity) -> str | None:
    """The name of the account that is theirs; None for somebody unknown.

    Who looks for the same waits until this transaction ends: somebody who comes in twice at a time gets one account.
    """
    key = func.hashtextextended(f"identity {identity.issuer} {identity.subject}", 0)
    connection.execute(select(func.pg_advisory_xact_lock(key)))
    query = select(identities.c.account).where(
        identities.c.issuer == identity.issuer, identities.c.subject == identity.subject
    )
    name: str | None = connection.scalar(query)
    return name


def add(connection: Connection, identity: Identity, account: str) -> None:
    """From now on the account is theirs."""
    row = insert(identities).values(issuer=identity.issuer, subject=identity.subject, account=account)
    connection.execute(row)


def ways_in(connection: Connection) -> dict[str, WaysIn]:
    """How the owner of each account can sign in, by its name."""
    issuers: dict[str, tuple[str, ...]] = {}
    for row in connection.execute(select(identities).order_by(identities.c.issuer)):
        issuers[row.account] = (*issuers.get(row.account, ()), row.issuer)
    query = select(accounts.c.name, accounts.c.password.is_not(None).label("password"))
    return {
        row.name: WaysIn(password=row.password, issuers=issuers.get(row.name, ()))
        for row in connection.execute(query)
    }
