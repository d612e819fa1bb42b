"""Every hostile request to one service, and whether anything of them got in, got out, or brought it down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from sqlalchemy import text

from faults.hostile_attack import Attack, Outcome, send
from faults.hostile_callers import caller_attacks
from faults.hostile_scene import Target
from faults.hostile_strings import misshapen_bodies, string_attacks
from faults.hostile_transfers import address_attacks, import_attacks, upload_attacks
from faults.hostile_wire import SlowOnes, flood, malformed, over_the_wire
from maskloom.services.jobs import worker

_AT_ONCE = 8
_MOST_MEGABYTES = 200
"""So much more memory at the end is no leak: the largest body that is held, in each of the threads."""
_HELD = {
    "POST /api/v1/tokens": "tokens",
    "POST /api/v1/datasets": "datasets",
    "POST /api/v1/datasets/{dataset}/imports": "jobs",
    "POST /api/v1/datasets/{dataset}/uploads": "jobs",
}
"""Changes that somebody may make with any text in them, and what they add: the text is kept as it is, and does nothing."""
GROUPS: dict[str, Callable[[Target], Iterator[Attack]]] = {
    "texts in every parameter and field": string_attacks,
    "misshapen bodies": misshapen_bodies,
    "cookies and tokens of others": caller_attacks,
    "uploads": upload_attacks,
    "imports from elsewhere": import_attacks,
    "download addresses": address_attacks,
}


@dataclass(slots=True, kw_only=True)
class Result:
    """What came of a campaign: for each group and kind how often each status was answered; and what was wrong."""

    answers: dict[str, dict[str, Counter[str]]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    megabytes: tuple[float, float] = (0.0, 0.0)

    @property
    def sent(self) -> int:
        return sum(sum(count.values()) for kinds in self.answers.values() for count in kinds.values())

    def note(self, group: str, kind: str, status: str) -> None:
        self.answers.setdefault(group, {}).setdefault(kind, Counter())[status] += 1


def campaign(target: Target, every: int = 1, *, slow: bool = True) -> Result:
    """Send them all, or of each group each `every`th; `slow`: with connections that say hardly anything, for a minute."""
    result = Result()
    never, others = target.secrets(), target.others_things()
    attacks = {group: list(islice(make(target), 0, None, every)) for group, make in GROUPS.items()}
    before, megabytes = target.counts(), target.megabytes
    idlers = SlowOnes(target) if slow else None
    granted = Counter[str]()
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for group, some in attacks.items():
            for outcome in threads.map(partial(send, target, never=never, others=others), some):
                _judge(result, group, outcome, granted)
            if not target.is_ready():
                result.problems.append(f"{group}: the service is not ready any more")
                return result
    for kind, sent in malformed().items():
        status, problems = over_the_wire(target, sent, never)
        result.note("what is no HTTP", kind, status)
        result.problems += [f"{kind}: {problem}" for problem in problems]
    statuses, problems = flood(target)
    for code, count in statuses.items():
        result.answers.setdefault("guessing", {}).setdefault("passwords", Counter())[str(code)] = count
    result.problems += problems
    if idlers is not None:
        for kind, count in idlers.kinds().items():
            result.answers.setdefault("slow connections", {})[kind] = Counter({"ended": count})
        result.problems += idlers.problems()
    result.megabytes = megabytes, target.megabytes
    carried = {secret for some in attacks.values() for attack in some for secret in attack.secrets}
    result.problems += _aftermath(target, before, granted, (*never, *carried), megabytes)
    return result


def _judge(result: Result, group: str, outcome: Outcome, granted: Counter[str]) -> None:
    attack = outcome.attack
    result.note(group, attack.kind, outcome.status)
    result.problems += [
        f"{group}: {attack.kind}, {attack.operation}: {problem}" for problem in outcome.problems
    ]
    changed = attack.method != "GET" and outcome.answer is not None and outcome.answer.status < 300
    if changed and attack.operation in _HELD:
        granted[attack.operation] += 1
    elif changed and not outcome.problems:
        result.problems.append(f"{group}: {attack.kind}, {attack.operation}: changed something")


def _aftermath(
    target: Target, before: dict[str, int], granted: Counter[str], secrets: Iterable[str], megabytes: float
) -> list[str]:
    """What is not as it was, but for what was granted."""
    found = _jobs_left(target)
    wanted = Counter(before)
    for operation, count in granted.items():
        wanted[_HELD[operation]] += count
    after = target.counts()
    for table, count in after.items():
        if count != wanted[table] and table != "job_events":
            found.append(f"{table}: {count} rows instead of {wanted[table]}")
    if target.canary.heard:
        found.append(f"{target.canary.heard} connections went where imports must not lead")
    if not target.is_ready():
        found.append("the service is not ready any more")
    if not target.trail_holds():
        found.append("the audit trail does not hold")
    if target.megabytes > megabytes + _MOST_MEGABYTES:
        found.append(f"the service has grown from {megabytes:.0f} to {target.megabytes:.0f} MiB")
    log = target.log.read_text(errors="replace")
    found += [f"the log has {secret[:12]!r}..." for secret in secrets if secret in log]
    left = list((target.platform.settings.home / "uploads").iterdir())
    return found + [f"{path.name} is left of an upload" for path in left]


def _jobs_left(target: Target) -> list[str]:
    """Do what was accepted as jobs; none may end otherwise than done or failed, and none brings a slice."""
    query = text(
        "select id from jobs where id not in (select job from job_events where kind in ('done', 'failed'))"
    )
    with target.platform.database.connection() as connection:
        waiting = [row.id for row in connection.execute(query)]
    for job in waiting:
        worker.do(target.platform, job)
    with target.platform.database.connection() as connection:
        return [f"job {row.id} was not done" for row in connection.execute(query)]
