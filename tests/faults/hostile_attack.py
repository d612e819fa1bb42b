"""One hostile request, how it is sent, and what its answer must not be."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from urllib.parse import unquote, urlsplit

from faults.hostile_scene import Target
from support.asking import Answer

_SUCCESS = range(200, 400)
_HONEST = 503
_PATIENCE_S = 60.0
_STREAM = "text/event-stream"
_COMPUTED = "9801547"
"""1337 times 7331: what a template that was filled in would say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """A request. `may`: whether who sends it may ask this, were it not for what is wrong with it.

    `operation` is its method and route. `sees`: whether its sender may look at the open data set. `secrets`: what it
    carries that no log may have.
    """

    kind: str
    operation: str
    target: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    may: bool = False
    sees: bool = False
    secrets: tuple[str, ...] = ()

    @property
    def method(self) -> str:
        return self.operation.partition(" ")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of an attack; `answer` is None where the connection was ended."""

    attack: Attack
    answer: Answer | None
    problems: tuple[str, ...]

    @property
    def status(self) -> str:
        return "hung up" if self.answer is None else str(self.answer.status)


def send(target: Target, attack: Attack, never: Iterable[str], others: Iterable[str]) -> Outcome:
    """Send it. `never` is told to nobody, `others` to none without a role on the open data set."""
    answer = _answer(target.service.url, attack)
    problems = [] if answer is None else _problems(attack, answer, never, others)
    return Outcome(attack=attack, answer=answer, problems=tuple(problems))


def _answer(url: str, attack: Attack) -> Answer | None:
    parts = urlsplit(url)
    # From elsewhere each time, so that nobody's earlier tries are the reason for which one is refused.
    source = f"127.{random.randrange(1, 250)}.{random.randrange(1, 250)}.{random.randrange(2, 250)}"
    connection = HTTPConnection(
        str(parts.hostname), parts.port, timeout=_PATIENCE_S, source_address=(source, 0)
    )
    try:
        connection.request(attack.method, attack.target, attack.body, attack.headers)
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        body = b"" if headers.get("content-type", "").startswith(_STREAM) else response.read()
        return Answer(status=response.status, headers=headers, body=body)
    except (HTTPException, ConnectionError):
        return None
    finally:
        connection.close()


def _problems(attack: Attack, answer: Answer, never: Iterable[str], others: Iterable[str]) -> list[str]:
    found = []
    said = answer.body.decode("latin-1") + str(answer.headers)
    asked = unquote(attack.target) + str(attack.headers) + (attack.body or b"").decode("latin-1")
    if answer.status >= 500 and answer.status != _HONEST:
        found.append(f"answered {answer.status}: {said[:300]}")
    if answer.status in _SUCCESS and not attack.may:
        found.append(f"let in with {answer.status}: {said[:300]}")
    forbidden = [*never, _COMPUTED, *(() if attack.sees else others)]
    found += [f"the answer tells {word!r}" for word in forbidden if word in said and word not in asked]
    if "x-smuggled" in answer.headers:
        found.append("a header of its own came back")
    return found
