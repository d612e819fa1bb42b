"""Who asks, and what they may do: the one place that decides.

A data set that somebody does not see is to them as if it were not there: they are told the same as of one that is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from maskloom.platform.account_facts import Account, Role
from maskloom.platform.audit_facts import Act
from maskloom.platform.errors import UnknownName
from maskloom.services.errors import NotAllowed


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """An account that asks for something, by way of `via` (session, or a token's id) from `address`.

    A token narrows what its account may do: to `ceiling`, and to one data set where it names one in `only`.
    """

    account: Account
    via: str
    address: str
    ceiling: Role = Role.ADMIN
    only: str | None = None

    @property
    def is_admin(self) -> bool:
        """Whether they may see to accounts and to the audit trail."""
        return self.account.admin and self.ceiling is Role.ADMIN and self.only is None

    def role_on(self, dataset: str) -> Role | None:
        """Their role on a data set; None when they do not see it."""
        if self.only not in {None, dataset}:
            return None
        own = self.account.grants.get(dataset)
        if own is None:
            return None
        return self.ceiling if own.reaches(self.ceiling) else own

    def visible(self) -> list[str]:
        """The data sets that they see, by name."""
        return [name for name in self.account.grants if self.only in {None, name}]

    def visible_as(self, role: Role) -> list[str]:
        """The data sets on which they may do what `role` may, by name."""
        return [name for name in self.visible() if (own := self.role_on(name)) and own.reaches(role)]

    def reads_as(self, dataset: str) -> str | None:
        """As which reader they see masks of reviews: None for a lead, who sees those of all; else as that of their name."""
        return None if dataset in self.visible_as(Role.LEAD) else self.account.name

    def must_be(self, role: Role, dataset: str) -> None:
        """Raise UnknownName where they do not see the data set, NotAllowed where `role` is more than theirs."""
        own = self.role_on(dataset)
        if own is None:
            raise no_dataset(dataset)
        if not own.reaches(role):
            raise NotAllowed(
                f"you are {own} of data set {dataset!r}: only a {role} may do that",
                hint="Ask an admin for that role." if self.only is None else "Use a token with that role.",
            )

    def must_be_admin(self) -> None:
        """Raise NotAllowed for everybody else."""
        if not self.is_admin:
            raise NotAllowed("only an admin may do that", hint="Ask an admin of this maskloom.")

    def act(self, action: str, target: str, *, dataset: str | None = None, **detail: Any) -> Act:
        """What the audit trail keeps of something that they do."""
        return Act(
            who=self.account.name,
            via=self.via,
            address=self.address,
            action=action,
            target=target,
            dataset=dataset,
            detail=detail,
        )


def no_dataset(name: str) -> UnknownName:
    """What to raise for a data set that is not there, or not to be seen."""
    return UnknownName(
        f"there is no data set {name!r}", hint="You see those that `GET /api/v1/datasets` lists."
    )
