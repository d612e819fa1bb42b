"""Requests that may be sent again: those that have the same `Idempotency-Key` are one request, and are done once.

What is done and what is kept of it are one transaction, under a lock of that transaction. Whoever dies in between, either
neither is there, and the next one does it; or both are, and the next one is answered from what was kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, Header, Request
from pydantic import BaseModel
from sqlalchemy import Connection

from maskloom.platform.catalog import idempotency
from maskloom.platform.catalog.database import Database
from maskloom.platform.catalog.idempotency import Kept
from maskloom.platform.errors import SettingsError
from maskloom.platform.fingerprint import fingerprint
from maskloom.services.api.gate import Signed
from maskloom.services.errors import Conflict, StillAtWork

T = TypeVar("T")
View = TypeVar("View", bound=BaseModel)
HEADER = "Idempotency-Key"
Key = Annotated[
    str | None,
    Header(
        alias=HEADER,
        min_length=1,
        max_length=200,
        pattern=r"^[!-~]+$",
        description="A text of your choice, such as a UUID. Within a day, the same request with the same key is done once.",
        examples=["8e03978e-40d5-43dd-bc93-6894a57f9324"],
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """A request of an account, with the key under which it is to be done once; None where it has none."""

    database: Database
    account: str
    key: str | None
    request: str

    def answer(self, kind: type[View], work: Callable[[Connection], View]) -> View:
        """What `work` answers, in a transaction, or what it answered when it was done.

        Raises SettingsError where the key was another request's, and StillAtWork.
        """

        def do(connection: Connection) -> View:
            kept = self._kept(connection)
            if kept is not None:
                return kind.model_validate(kept.answer)
            answer = work(connection)
            self._keep(connection, answer)
            return answer

        return self.database.transaction(do)

    def answer_with_secret(self, work: Callable[[Connection], T]) -> T:
        """What `work` answers, in a transaction. Its answer has a secret and is not kept: what was done raises Conflict."""

        def do(connection: Connection) -> T:
            if self._kept(connection) is not None:
                raise Conflict(
                    "this was done, and what was answered is not kept: it had a secret",
                    hint="Where the answer was lost, ask for another secret, with another key.",
                )
            answer = work(connection)
            self._keep(connection, None)
            return answer

        return self.database.transaction(do)

    def _kept(self, connection: Connection) -> Kept | None:
        if self.key is None:
            return None
        if not idempotency.claim(connection, self.account, self.key):
            raise StillAtWork("the same request is being worked at", hint="Ask again in a second.")
        kept = idempotency.kept(connection, self.account, self.key)
        if kept is not None and kept.request != self.request:
            raise SettingsError(
                f"the {HEADER} was that of another request", hint="Give each request a key of its own."
            )
        return kept

    def _keep(self, connection: Connection, answer: BaseModel | None) -> None:
        if self.key is not None:
            plain = None if answer is None else answer.model_dump(mode="json")
            done = Kept(request=self.request, answer=plain)
            idempotency.keep(connection, self.account, self.key, done)


async def once(request: Request, caller: Signed, key: Key = None) -> Once:
    """What a request is known by: who sends it, its key, and all that it says."""
    asked = [request.method, str(request.url.path), request.url.query]
    body = hashlib.sha256(await request.body()).hexdigest()
    # A structured field, as the IETF has it, is in quotes; a name is not.
    bare = key.strip('"') if key is not None else None
    return Once(
        database=request.app.state.platform.database,
        account=caller.account.name,
        key=bare or None,
        request=fingerprint([*asked, body]),
    )


Repeatable = Annotated[Once, Depends(once)]
