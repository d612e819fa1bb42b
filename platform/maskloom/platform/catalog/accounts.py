"""Queries on accounts and what they may do. `secret` is everywhere the digest of one, never the secret itself."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Select, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from maskloom.platform.account_facts import Account, Role
from maskloom.platform.catalog import slices
from maskloom.platform.catalog.account_schema import accounts, grants


def add(connection: Connection, name: str, *, admin: bool = False) -> bool:
    """Insert an account without a password; False when there is one of that name."""
    row = insert(accounts).values(name=name, admin=admin).on_conflict_do_nothing()
    return connection.execute(row).rowcount == 1


def find(connection: Connection, name: str) -> Account | None:
    """The account of that name."""
    return next(iter(_accounts(connection, select(accounts).where(accounts.c.name == name))), None)


def everyone(connection: Connection) -> list[Account]:
    """All accounts, by name."""
    return _accounts(connection, select(accounts).order_by(accounts.c.name))


def readers(connection: Connection, datasets: Sequence[str]) -> dict[str, list[str]]:
    """The names of those who can sign in to read masks of each of `datasets`."""
    query = (
        select(grants.c.dataset, grants.c.account)
        .join(accounts, accounts.c.name == grants.c.account)
        .where(grants.c.dataset.in_(datasets), accounts.c.active, grants.c.role != Role.VIEWER)
        .order_by(grants.c.account)
    )
    found: dict[str, list[str]] = {dataset: [] for dataset in datasets}
    for row in connection.execute(query):
        found[row.dataset].append(row.account)
    return found


def has_admin(connection: Connection) -> bool:
    """Whether some admin can sign in."""
    ready = accounts.c.admin & accounts.c.active & accounts.c.password.is_not(None)
    return connection.scalar(select(accounts.c.name).where(ready).limit(1)) is not None


def password(connection: Connection, name: str) -> str | None:
    """The password's argon2 digest; None for an account that is not there, not active, or has none."""
    query = select(accounts.c.password).where(accounts.c.name == name, accounts.c.active)
    digest: str | None = connection.scalar(query)
    return digest


def set_password(connection: Connection, name: str, digest: str) -> None:
    """Give the account another password, whose argon2 digest this is."""
    connection.execute(update(accounts).where(accounts.c.name == name).values(password=digest))


def set_state(connection: Connection, name: str, *, admin: bool, active: bool) -> None:
    """Make the account an admin or not, and let it in or not."""
    connection.execute(update(accounts).where(accounts.c.name == name).values(admin=admin, active=active))


def grant(connection: Connection, name: str, dataset: str, role: Role | None) -> None:
    """Give the account `role` on a data set in place of the one it had; None takes it away."""
    if role is None:
        connection.execute(delete(grants).where(grants.c.account == name, grants.c.dataset == dataset))
        return
    row = insert(grants).values(account=name, dataset=dataset, role=role)
    connection.execute(
        row.on_conflict_do_update(
            index_elements=["account", "dataset"], set_={"role": role, "at": func.clock_timestamp()}
        )
    )


def _accounts(connection: Connection, query: Select[tuple[object, ...]]) -> list[Account]:
    rows = connection.execute(query).all()
    granted: dict[str, dict[str, Role]] = {row.name: {} for row in rows}
    wanted = select(grants).where(grants.c.account.in_(list(granted))).order_by(grants.c.dataset)
    for row in connection.execute(wanted):
        granted[row.account][row.dataset] = Role(row.role)
    everything = dict.fromkeys(slices.dataset_names(connection), Role.ADMIN)
    return [
        Account(
            name=row.name,
            admin=row.admin,
            active=row.active,
            grants=everything if row.admin else granted[row.name],
        )
        for row in rows
    ]
