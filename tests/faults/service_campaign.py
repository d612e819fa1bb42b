"""The service, killed at random under load: `python tests/faults/service_campaign.py` exits with 1 where anything was lost.

`make test-service-faults` runs this and `hostile.py`, and writes what came of them.
"""

from __future__ import annotations

import argparse
import io
import random
import sys
import time
from collections import Counter
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[1]))

from sqlalchemy import text

from faults.hostile_callers import made_token
from faults.service_clients import CHEST, INBOX, RECIPE, SETTINGS, Clients, Ledger
from faults.service_parts import PARTS, Parts
from maskloom.pipelines import drive, recipes
from maskloom.pipelines.stopping import Stop
from maskloom.platform.bootstrap import Platform, open_platform
from maskloom.platform.catalog import accounts, audit, slices
from maskloom.platform.run_facts import RunStatus
from maskloom.platform.settings import Settings
from maskloom.services.client import Client
from maskloom.services.records import run_record
from support.asking import ask
from support.chest import ingest_chest
from support.commands import Shell
from support.servers import PostgresServer, remove_home, short_folder
from support.service import ADMIN, API, STRANGER
from support.tiny_flow import Printing, TinyCrew

KILLS, RUNS = 20, 12
_RUN_OUT_S = 240.0


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came of a campaign: who was killed how often, and what was promised and kept."""

    kills: Counter[str] = field(default_factory=Counter)
    acts: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    jobs: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)


def main() -> int:
    """Run the campaign and print what came of it; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kills", type=int, default=KILLS)
    options = parser.parse_args()
    outcome = run(options.seed, options.kills)
    print(section(outcome))
    return 1 if outcome.problems else 0


def run(seed: int, kills: int) -> Outcome:
    """Kill so many parts of a service of its own, and compare with one that was left alone."""
    server = PostgresServer(durable=True)
    homes = [short_folder(), short_folder()]
    try:
        for name in ("busy", "alone"):
            server.execute(f"CREATE DATABASE {name}")
        busy, alone = (server.url.removesuffix("postgres") + name for name in ("busy", "alone"))
        token = _prepare(homes[0], busy)
        _prepare(homes[1], alone)
        began = time.monotonic()
        outcome, ledger = _disturb(server, homes[0], busy, token, seed, kills)
        outcome.seconds = time.monotonic() - began
        with (
            open_platform(Settings(home=homes[0], database_url=busy)) as platform,
            open_platform(Settings(home=homes[1], database_url=alone)) as other,
        ):
            outcome.problems += (
                ledger.problems + _not_kept(platform, ledger) + _otherwise(platform, other, ledger)
            )
        return outcome
    finally:
        server.stop()
        for home in homes:
            remove_home(home)


def section(outcome: Outcome) -> str:
    """The outcome as a part of a page."""
    lines = ["| killed | times |", "| --- | --- |"]
    lines += [f"| {part} | {outcome.kills[part]} |" for part in PARTS]
    lines += ["", "| answered with success | times |", "| --- | --- |"]
    lines += [f"| {act} | {count} |" for act, count in sorted(outcome.acts.items())]
    kept = "every one was done, and once" if not outcome.problems else "**not all was well**"
    lines += [
        "",
        f"In {outcome.seconds:.0f} s, with {outcome.kills.total()} kills, {outcome.runs} runs and {outcome.jobs} jobs: {kept}.",
        "",
        *(f"- {problem}" for problem in outcome.problems),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _prepare(home: Path, url: str) -> str:
    """Make the data sets and accounts; an admin's token."""
    ingest_chest(Shell(home=home, environment={"MASKLOOM_DATABASE_URL": url}), home / "slices")
    with open_platform(Settings(home=home, database_url=url)) as platform:
        platform.database.transaction(lambda c: slices.add_dataset(c, INBOX))
        for name in (ADMIN, STRANGER):
            platform.database.transaction(lambda c, name=name: accounts.add(c, name, admin=name == ADMIN))
        return made_token(platform, ADMIN)


def _disturb(
    server: PostgresServer, home: Path, url: str, token: str, seed: int, kills: int
) -> tuple[Outcome, Ledger]:
    draws, outcome = random.Random(seed), Outcome()
    parts = Parts(server, url, home)
    try:
        parts.wait_until_ready()
        clients = Clients(parts.url, token, seed, RUNS)
        for _ in range(kills):
            time.sleep(draws.uniform(0.5, 6))
            part = draws.choice(PARTS)
            parts.kill(part)
            outcome.kills[part] += 1
            time.sleep(draws.uniform(0.2, 2))
            parts.start(part)
            outcome.problems += [f"{role} ended when {part} was killed" for role in parts.revive()]
            print(f"killed {part}", flush=True)
        ledger = clients.stop()
        parts.wait_until_ready()
        outcome.acts, outcome.runs, outcome.jobs = Counter(ledger.acts), len(ledger.runs), len(ledger.jobs)
        outcome.problems += _run_out(parts, token, ledger)
    finally:
        parts.stop()
    return outcome, ledger


def _run_out(parts: Parts, token: str, ledger: Ledger) -> list[str]:
    """Let every run go on that was paused, until all have ended, and all jobs are done."""
    deadline = time.monotonic() + _RUN_OUT_S
    with Client(parts.url, token) as client:
        left = set(ledger.runs.values())
        while left and time.monotonic() < deadline:
            for run_id in sorted(left):
                status = client.runs.get(run_id)["status"]
                if status == RunStatus.PAUSED:
                    client.runs.resume(run_id)
                    ledger.acts["run.resumed"] += 1
                elif status == RunStatus.FINISHED:
                    left.discard(run_id)
            time.sleep(1)
        while _open_jobs(parts, token, ledger) and time.monotonic() < deadline:
            time.sleep(1)
        said = {run_id: client.runs.get(run_id) for run_id in left}
    return [f"run {run_id} is {record['status']}: {record['errors']}" for run_id, record in said.items()]


def _open_jobs(parts: Parts, token: str, ledger: Ledger) -> list[str]:
    """Jobs that wait, or are at work."""
    signed = {"Authorization": f"Bearer {token}"}
    states = {job: ask(f"{parts.url}{API}/jobs/{job}", **signed).json["status"] for job in ledger.jobs}
    return [job for job, status in states.items() if status not in {"done", "failed"}]


def _not_kept(platform: Platform, ledger: Ledger) -> list[str]:
    """What was answered with success and is not there once."""
    found = []
    with platform.database.connection() as connection:
        done = text("select job, count(*) as times from job_events where kind = 'done' group by job")
        times = {row.job: row.times for row in connection.execute(done)}
        labels = Counter(row.label for row in connection.execute(text("select label from tokens")))
        acts = Counter(row.action for row in connection.execute(text("select action from audit")))
        taken = connection.scalar(text("select count(*) from slices where dataset = :d"), {"d": INBOX})
        every = connection.scalar(text("select count(*) from jobs"))
    found += [f"job {job} was done {times.get(job, 0)} times" for job in ledger.jobs if times.get(job) != 1]
    if len(times) != every:
        found.append(f"of {every} jobs {len(times)} were done")
    found += [f"{label} is there {labels[label]} times" for label in ledger.tokens if labels[label] != 1]
    for action, count in ledger.acts.items():
        if acts[action] != count:
            found.append(f"{action}: answered {count} times, done {acts[action]} times")
    if not acts["upload.asked"] <= ledger.uploads or taken != acts["upload.asked"]:
        found.append(f"{acts['upload.asked']} uploads of {ledger.uploads} brought {taken} slices")
    if platform.database.transaction(audit.verify) != platform.database.transaction(audit.head):
        found.append("the audit trail does not hold")
    return found


def _otherwise(platform: Platform, alone: Platform, ledger: Ledger) -> list[str]:
    """Runs that did not end as those that nobody disturbed."""
    found = []
    recipe = recipes.with_settings(recipes.named(RECIPE), [*SETTINGS])
    for seed, run_id in ledger.runs.items():
        undisturbed, _ = drive.create(alone, recipe, CHEST, seed=seed)
        with patch.object(drive, "Crew", TinyCrew), redirect_stdout(io.StringIO()):
            drive.drive(alone, undisturbed, workers=1, observer=Printing(), stop=Stop())
        wanted, got = run_record(alone, undisturbed), run_record(platform, drive.find(platform, run_id))
        found += [
            f"run {run_id}: {name} is {got[name]} instead of {wanted[name]}"
            for name in ("run", "status", "rounds_done", "final_checkpoint")
            if got[name] != wanted[name]
        ]
    return found


if __name__ == "__main__":
    sys.exit(main())
