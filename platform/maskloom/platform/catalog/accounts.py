"""Queries on accounts and what they may do. `secret` is everywhere the digest of one, never the secret itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, case, delete, func, select, update
from sqlalchemy.dialects.postgresql import aggregate_order_by, insert

from maskloom.platform.account_facts import Account, Role
from maskloom.platform.catalog.account_schema import accounts, grants
from maskloom.platform.catalog.schema import datasets

_granted = select(func.array_agg(aggregate_order_by(grants.c.dataset, grants.c.dataset))).where(
    grants.c.account == accounts.c.name
)
_roles = select(func.array_agg(aggregate_order_by(grants.c.role, grants.c.dataset))).where(
    grants.c.account == accounts.c.name
)
_every = select(func.array_agg(aggregate_order_by(datasets.c.name, datasets.c.name)))
ACCOUNTS: Select[*tuple[Any, ...]] = select(
    accounts.c.name,
    accounts.c.admin,
    accounts.c.active,
    _granted.scalar_subquery().label("granted"),
    _roles.scalar_subquery().label("roles"),
    case((accounts.c.admin, _every.scalar_subquery())).label("everything"),
)
"""Accounts with what they may do, for `account_of`: in one query, since every request asks for one."""


def add(connection: Connection, name: str, *, admin: bool = False) -> bool:
    """Insert an account without a password; False when there is one of that name."""
    row = insert(accounts).values(name=name, admin=admin).on_conflict_do_nothing()
    return connection.execute(row).rowcount == 1


def find(connection: Connection, name: str) -> Account | None:
    """The account of that name."""
    row = connection.execute(ACCOUNTS.where(accounts.c.name == name)).one_or_none()
    return None if row is None else account_of(row)


def everyone(connection: Connection) -> list[Account]:
    """All accounts, by name."""
    return [account_of(row) for row in connection.execute(ACCOUNTS.order_by(accounts.c.name))]


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


def account_of(row: Row[*tuple[Any, ...]]) -> Account:
    """The account of a row of ACCOUNTS."""
    if row.admin:
        allowed = dict.fromkeys(row.everything or (), Role.ADMIN)
    else:
        allowed = dict(zip(row.granted or (), map(Role, row.roles or ()), strict=True))
    return Account(name=row.name, admin=row.admin, active=row.active, grants=allowed)
