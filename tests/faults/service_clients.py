"""People and programs who keep asking a service that is being killed, and what they were promised."""

from __future__ import annotations

import json
import random
import threading
import time
import uuid
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException

from maskloom.platform.account_facts import Role
from maskloom.platform.errors import MaskloomError
from maskloom.platform.run_facts import RunStatus
from maskloom.services.client import Client
from maskloom.services.errors import Conflict
from support.asking import Answer, ask
from support.service import API, STRANGER
from support.transfers import MULTIPART, multipart, slices

CHEST, INBOX = "chest", "inbox"
RECIPE, SETTINGS = "semi-inf-net-quick", ("sampler.group_size=6",)
_PATIENCE_S = 240.0


@dataclass(slots=True, kw_only=True)
class Ledger:
    """What was answered with success: how often each act, by its name in the audit trail, and on what.

    `uploads`: how often one was asked for at most; an upload whose answer was lost may have come in all the same.
    """

    acts: Counter[str] = field(default_factory=Counter)
    runs: dict[int, str] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)
    uploads: int = 0
    problems: list[str] = field(default_factory=list)


class Clients:
    """Threads that ask until `stop`."""

    def __init__(self, url: str, token: str, seed: int, seeds: int) -> None:
        self.ledger = Ledger()
        self._url, self._token = url, token
        self._seed, self._seeds = seed, seeds
        self._ended = threading.Event()
        works = (self._start_runs, self._stop_and_go, self._see_to_accounts, self._send)
        self._threads = [threading.Thread(target=work, name=work.__name__) for work in works]
        for thread in self._threads:
            thread.start()

    def stop(self) -> Ledger:
        """Have everybody end with what they have begun."""
        self._ended.set()
        for thread in self._threads:
            thread.join()
        return self.ledger

    def _client(self) -> Client:
        return Client(self._url, self._token, patience_s=_PATIENCE_S)

    def _start_runs(self) -> None:
        with self._client() as client:
            for seed in range(self._seeds):
                if self._ended.is_set():
                    return
                with self._telling("a run was not started"):
                    started = client.runs.start(CHEST, RECIPE, settings=SETTINGS, seed=seed)
                    self.ledger.runs[seed] = started.id
                    self.ledger.acts["run.started"] += 1
                self._ended.wait(12)

    def _stop_and_go(self) -> None:
        draws = random.Random(self._seed)
        with self._client() as client:
            while not self._ended.wait(draws.uniform(0.5, 3)):
                for run in list(self.ledger.runs.values())[-2:]:
                    # What is refused, as where the run has just ended, is no promise.
                    with suppress(Conflict, MaskloomError):
                        client.runs.pause(run)
                        self.ledger.acts["run.paused"] += 1
                    self._ended.wait(draws.uniform(0, 1))
                    with suppress(Conflict, MaskloomError):
                        client.runs.resume(run)
                        self.ledger.acts["run.resumed"] += 1

    def _see_to_accounts(self) -> None:
        with self._client() as client:
            number = 0
            while not self._ended.wait(1):
                number += 1
                label = f"token {number}"
                with self._telling("a token was not made"):
                    with suppress(Conflict):  # it was made, and the answer with its secret was lost
                        client.tokens.make(label, Role.VIEWER)
                    self.ledger.tokens.append(label)
                    self.ledger.acts["token.made"] += 1
                with self._telling("a token was not revoked"):
                    (mine,) = [one for one in client.tokens.list() if one.label == label]
                    if number % 2:
                        client.tokens.revoke(mine.id)
                        self.ledger.tokens.remove(label)
                with self._telling("a role was not given"):
                    client.accounts.grant(STRANGER, INBOX, [Role.VIEWER, Role.READER][number % 2])

    def _send(self) -> None:
        number = 0
        while not self._ended.wait(3):
            number += 1
            (name, (image, _)), *_ = slices(1, patient=100 + number).items()
            key = str(uuid.uuid4())
            self.ledger.uploads += 1
            sent = self._ask(
                "POST", f"/datasets/{INBOX}/uploads?split=unlabelled", multipart([("images", name, image)])
            )
            if sent is not None and sent.status == 202:
                self.ledger.jobs.append(sent.json["id"])
            for run in self._finished():
                body = json.dumps({"format": "png"}).encode()
                asked = self._insist("POST", f"/runs/{run}/exports", body, key)
                if asked.status == 202:
                    self.ledger.jobs.append(asked.json["id"])
                    self.ledger.acts["export.asked"] += 1

    def _finished(self) -> list[str]:
        """The first run, once it has something to export."""
        with suppress(MaskloomError), self._client() as client:
            some = list(self.ledger.runs.values())[:1]
            return [run for run in some if client.runs.get(run)["status"] == RunStatus.FINISHED]
        return []

    def _insist(self, method: str, path: str, body: bytes, key: str) -> Answer:
        """Ask until there is an answer; it is done once all the same."""
        while True:
            answer = self._ask(method, path, body, key)
            if answer is not None and answer.status not in {409, 503}:
                return answer
            time.sleep(0.5)

    def _ask(self, method: str, path: str, body: bytes, key: str = "") -> Answer | None:
        headers = (
            {"Idempotency_Key": key, "Content_Type": "application/json"}
            if key
            else {"Content_Type": MULTIPART}
        )
        with suppress(OSError, HTTPException):
            return ask(
                self._url + API + path, method, body=body, Authorization=f"Bearer {self._token}", **headers
            )
        return None

    def _telling(self, what: str) -> _Telling:
        return _Telling(self.ledger, what)


@dataclass(frozen=True, slots=True)
class _Telling:
    ledger: Ledger
    what: str

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if isinstance(error, MaskloomError):
            self.ledger.problems.append(f"{self.what}: {error}")
        return isinstance(error, MaskloomError)
