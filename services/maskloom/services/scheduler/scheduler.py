"""Looks every second which runs are wanted, starts drivers for those whose turn it is, and sees how they end."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field

from sqlalchemy import Connection

from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import leases, runs, tickets
from maskloom.platform.catalog.keeper import LeaseKeeper
from maskloom.platform.errors import CatalogUnavailable
from maskloom.platform.run_facts import Wanted
from maskloom.services.scheduler.turns import Running, Waiting, decide

LOOK_EVERY_S = 1.0
MAX_DEATHS = 3
"""A driver that dies so often without finishing a step makes its run fail."""
_OBEY_S = 20.0
"""A driver that nobody wants any more, or that is to give way, is killed when it has not ended after so long."""
_TRY_AGAIN_S = 60.0
"""The longest pause between two tries where a driver ends for want of something that may come back."""
TIMEOUT_S = 3600.0
"""A driver that makes no progress for so long is killed, and its run goes on with another one."""
_STILL_OF_TIMEOUT = 1 / 6
"""After this share of the time-out it is said that nothing moves."""
_ENDED_WELL = {0, 130}  # finished, waiting, stopped
_LATER = 75  # EX_TEMPFAIL: the error's own word for "try again"
_log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class _Driven:
    """A run with its driver, and what holds our claim on it.

    `stopping_since`: when it was asked to end; `seen`: what it was at when last looked at, and since when.
    """

    wanted: Wanted
    process: subprocess.Popen[bytes]
    lease: leases.Lease
    claim: ExitStack
    began: float = field(default_factory=time.monotonic)
    stopping_since: float | None = None
    seen: tuple[object, float] | None = None
    still_s: float = 0.0

    def look_at(self, doing: object) -> None:
        """`doing`: another value whenever the run has moved."""
        now = time.monotonic()
        if self.seen is None or self.seen[0] != doing:
            self.seen = doing, now
        self.still_s = now - self.seen[1]


class Scheduler:
    """One of the schedulers of a catalog, with room for `places` runs at a time.

    `among`: it sees to these runs alone, each to its end, since nobody else waits for its places.
    """

    def __init__(
        self,
        platform: Platform,
        places: int,
        timeout_s: float = TIMEOUT_S,
        *,
        among: Collection[str] | None = None,
    ) -> None:
        self._platform = platform
        self._among = among
        self._places = places
        self._timeout_s = timeout_s
        self._driven: dict[str, _Driven] = {}
        self._tries: dict[str, tuple[int, float]] = {}
        """Of runs whose driver ended for want of something: how often in a row, and when to try again."""
        self._holder = leases.this_process()

    def run(self, ended: threading.Event, looked: Callable[[], None] = lambda: None) -> None:
        """Schedule until `ended` is set; then all drivers save what they have, and their runs are queued again.

        `looked` is called after every look, also where the catalog did not answer.
        """
        lease = self._introduce()
        keeper = LeaseKeeper(self._platform.database, lease)
        try:
            while not ended.wait(LOOK_EVERY_S):
                try:
                    self._turn(keeper)
                except CatalogUnavailable as error:
                    _log.warning("nothing can be scheduled: %s", error.message)
                looked()
        finally:
            self._stop_all()
            keeper.close()
            self._platform.database.transaction(lambda c: leases.release(c, lease))

    def _introduce(self) -> leases.Lease:
        name = f"scheduler/{uuid.uuid4().hex}"
        lease = self._platform.database.transaction(lambda c: leases.acquire(c, name, self._holder))
        assert isinstance(lease, leases.Lease), "nobody else has that name"
        return lease

    def _turn(self, keeper: LeaseKeeper) -> None:
        self._see_who_ended()
        wanted, last_turns, driven_elsewhere = self._platform.database.transaction(self._look)
        by_run = {one.run: one for one in wanted}
        for run, one in self._driven.items():
            if run not in by_run:
                self._ask_to_end(one)
            elif by_run[run].entry != one.wanted.entry:
                # Stopped and queued again between two looks, perhaps with another ticket.
                one.wanted = by_run[run]
                self._ask_to_end(one)
        self._kill_the_deaf()
        self._see_who_is_still()
        decision = decide(*self._as_turns(wanted, driven_elsewhere), last_turns, self._places)
        for run in decision.give_way if self._among is None else ():
            self._ask_to_end(self._driven[run])
        for run in decision.start:
            self._start(by_run[run], keeper)

    def _look(self, connection: Connection) -> tuple[list[Wanted], dict[str, float], set[str]]:
        wanted = [one for one in tickets.wanted(connection) if self._among is None or one.run in self._among]
        names = {runs.lease_name(one.run): one.run for one in wanted} | {
            runs.claim_name(one.run): one.run for one in wanted
        }
        held = leases.held(connection, list(names))
        elsewhere = {names[name] for name in held} - set(self._driven)
        return wanted, tickets.last_turns(connection), elsewhere

    def _as_turns(self, wanted: Iterable[Wanted], elsewhere: set[str]) -> tuple[list[Waiting], list[Running]]:
        waiting, running = [], []
        for one in wanted:
            ours = self._driven.get(one.run)
            if ours is not None:
                ran_s = 0.0 if ours.stopping_since is not None else time.monotonic() - ours.began
                running.append(Running(run=one.run, ticket=one.ticket, ran_s=ran_s, ours=True))
            elif one.run in elsewhere:
                running.append(Running(run=one.run, ticket=one.ticket, ran_s=one.since_s, ours=False))
            elif self._may_try(one.run):
                waiting.append(Waiting(run=one.run, ticket=one.ticket, waited_s=one.since_s))
        return waiting, running

    def _may_try(self, run: str) -> bool:
        _, again_at = self._tries.get(run, (0, 0.0))
        return time.monotonic() >= again_at

    def _start(self, wanted: Wanted, keeper: LeaseKeeper) -> None:
        lease = self._platform.database.transaction(
            lambda c: leases.acquire(c, runs.claim_name(wanted.run), self._holder)
        )
        if not isinstance(lease, leases.Lease):
            return  # another scheduler was quicker
        claim = ExitStack()
        claim.callback(lambda: self._platform.database.transaction(lambda c: leases.release(c, lease)))
        claim.enter_context(keeper.keeping(lease))
        log = self._platform.settings.home / "logs" / f"run-{wanted.run}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [
            sys.executable,
            "-m",
            "maskloom.services.scheduler.driver",
            wanted.run,
            str(wanted.ticket.workers),
        ]
        with log.open("ab") as output:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=output, stderr=output, start_new_session=True
            )
        self._driven[wanted.run] = _Driven(wanted=wanted, process=process, lease=lease, claim=claim)
        _log.info("run %s: driven by process %d for %s", wanted.run, process.pid, wanted.ticket.owner)

    def _ask_to_end(self, one: _Driven) -> None:
        if one.stopping_since is None:
            one.stopping_since = time.monotonic()
            one.process.terminate()

    def _kill_the_deaf(self) -> None:
        for one in self._driven.values():
            if one.stopping_since is not None and time.monotonic() > one.stopping_since + _OBEY_S:
                one.process.kill()

    def _see_who_is_still(self) -> None:
        """Say which runs make no progress, and kill the drivers of those that have not for too long."""

        def look(connection: Connection) -> None:
            doing = runs.doing(connection, list(self._driven))
            for run, one in self._driven.items():
                before_s = one.still_s
                one.look_at(doing.get(run))
                said = self._timeout_s * _STILL_OF_TIMEOUT
                if one.still_s > said:
                    leases.note(connection, one.lease, {"still_s": round(one.still_s)})
                elif before_s > said:
                    leases.note(connection, one.lease, {})
                if before_s <= said < one.still_s:
                    _log.warning("run %s makes no progress: nothing has moved for %.0f s", run, one.still_s)

        self._platform.database.transaction(look)
        for run, one in self._driven.items():
            if one.still_s > self._timeout_s and one.stopping_since is None and one.process.poll() is None:
                _log.error(
                    "run %s: its driver is killed, since nothing has moved for %.0f s", run, one.still_s
                )
                one.process.kill()
                one.process.wait()

    def _see_who_ended(self) -> None:
        for run, one in list(self._driven.items()):
            code = one.process.poll()
            if code is not None:
                self._close(run, one, code)

    def _close(self, run: str, one: _Driven, code: int) -> None:
        asked = one.stopping_since is not None
        if code == _LATER and not asked:
            tries, _ = self._tries.get(run, (0, 0.0))
            self._tries[run] = tries + 1, time.monotonic() + min(2.0**tries, _TRY_AGAIN_S)
        else:
            self._tries.pop(run, None)
            stuck = one.still_s > self._timeout_s
            self._platform.database.transaction(
                lambda c: _settle(c, one.wanted, code, asked=asked, stuck=stuck)
            )
        if one.process.stdin is not None:
            one.process.stdin.close()
        one.claim.close()
        del self._driven[run]
        _log.info("run %s: its driver ended with %d", run, code)

    def _stop_all(self) -> None:
        for one in self._driven.values():
            self._ask_to_end(one)
        while self._driven:
            self._see_who_ended()
            self._kill_the_deaf()
            time.sleep(0.05)


def _settle(connection: Connection, wanted: Wanted, code: int, *, asked: bool, stuck: bool) -> None:
    """Record what the driver could not: that its run waits for its next turn, or that it died."""
    last = runs.last_event(connection, wanted.run)
    if last is None or last[0] != "started":
        return
    if asked or code in _ENDED_WELL:
        tickets.add(connection, wanted.run, wanted.ticket)
    elif wanted.deaths + 1 < MAX_DEATHS:
        runs.add_event(connection, wanted.run, "died", {"code": code, "stuck": stuck})
    else:
        how = "was killed because nothing moved" if stuck else f"ended with exit code {code}"
        error = f"its driver died {MAX_DEATHS} times without finishing a step; the last one {how}"
        runs.add_event(connection, wanted.run, "failed", {"error": error})
