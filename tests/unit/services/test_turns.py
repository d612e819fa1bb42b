"""Whose turn it is among runs that wait for a scheduler."""

from __future__ import annotations

from dataclasses import dataclass, field

from maskloom.platform.run_facts import Priority, Ticket
from maskloom.services.scheduler.turns import TURN_S, Running, Waiting, decide


def ticket(owner: str = "ada", priority: Priority = Priority.NORMAL) -> Ticket:
    return Ticket(owner=owner, priority=priority, workers=1)


def waiting(run: str, waited_s: float = 60.0, **of_ticket: str) -> Waiting:
    return Waiting(run=run, ticket=ticket(**of_ticket), waited_s=waited_s)  # type: ignore[arg-type]


def running(run: str, ran_s: float, *, ours: bool = True, **of_ticket: str) -> Running:
    return Running(run=run, ticket=ticket(**of_ticket), ran_s=ran_s, ours=ours)  # type: ignore[arg-type]


def test_free_places_are_filled_longest_wait_first() -> None:
    decision = decide([waiting("new", 1.0), waiting("old", 9.0), waiting("mid", 5.0)], [], {}, 2)
    assert decision.start == ("old", "mid")
    assert decision.give_way == ()


def test_an_owner_with_many_runs_does_not_keep_another_waiting() -> None:
    many = [waiting(f"ada {number}", 900.0) for number in range(10)]
    assert decide([*many, waiting("bob", 1.0, owner="bob")], [], {"ada": 5.0}, 2).start == ("bob", "ada 0")


def test_an_urgent_run_goes_first_but_not_before_one_that_has_waited_for_hours() -> None:
    urgent = waiting("urgent", 10.0, priority=Priority.HIGH)
    assert decide([waiting("usual", 3600.0), urgent], [], {}, 1).start == ("urgent",)
    assert decide([waiting("usual", 11000.0), urgent], [], {}, 1).start == ("usual",)


def test_who_has_had_a_turn_gives_way_only_when_somebody_waits() -> None:
    tired, fresh = running("tired", TURN_S + 1), running("fresh", TURN_S - 1)
    assert decide([], [tired, fresh], {}, 2).give_way == ()
    assert decide([waiting("next")], [tired, fresh], {}, 2).give_way == ("tired",)
    assert decide([waiting("next", 1.0)], [tired, fresh], {}, 2).give_way == (), (
        "another scheduler may take it"
    )


def test_an_urgent_run_has_longer_turns() -> None:
    assert (
        decide([waiting("next")], [running("urgent", 3 * TURN_S, priority=Priority.HIGH)], {}, 1).give_way
        == ()
    )
    assert decide(
        [waiting("next")], [running("urgent", 5 * TURN_S, priority=Priority.HIGH)], {}, 1
    ).give_way == ("urgent",)


def test_runs_that_others_drive_take_no_place_here() -> None:
    assert decide([waiting("next")], [running("theirs", 10 * TURN_S, ours=False)], {}, 1).start == ("next",)


@dataclass
class _Day:
    """A scheduler's day, a minute at a time."""

    tickets: dict[str, Ticket]
    places: int
    since: dict[str, float] = field(default_factory=dict)
    at_work: set[str] = field(default_factory=set)
    owners: dict[str, float] = field(default_factory=dict)
    worked: dict[str, float] = field(default_factory=dict)
    longest_wait: dict[str, float] = field(default_factory=dict)

    def live(self, minutes: int) -> None:
        self.since = dict.fromkeys(self.tickets, 0.0)
        for _ in range(minutes):
            left = [
                Waiting(run=run, ticket=one, waited_s=self.since[run])
                for run, one in self.tickets.items()
                if run not in self.at_work
            ]
            work = [
                Running(run=run, ticket=self.tickets[run], ran_s=self.since[run], ours=True)
                for run in self.at_work
            ]
            decision = decide(left, work, self.owners, self.places)
            for run in decision.start:
                self.at_work.add(run)
                self.owners[self.tickets[run].owner] = self.since[run] = 0.0
            for run in decision.give_way:
                self.at_work.remove(run)
                self.since[run] = 0.0
            for run in self.tickets:
                self.since[run] += 60.0
                if run in self.at_work:
                    self.worked[run] = self.worked.get(run, 0.0) + 60.0
                else:
                    self.longest_wait[run] = max(self.longest_wait.get(run, 0.0), self.since[run])
            self.owners = {owner: seconds + 60.0 for owner, seconds in self.owners.items()}


def test_no_run_starves_whatever_waits_beside_it() -> None:
    crowd = {f"ada {number}": ticket("ada", Priority.HIGH) for number in range(8)}
    day = _Day({**crowd, "low": ticket("ada", Priority.LOW), "bob": ticket("bob")}, places=1)
    day.live(7 * 24 * 60)
    assert set(day.worked) == set(day.tickets)
    assert day.longest_wait["low"] < 24 * 3600
    assert day.longest_wait["bob"] < 2 * 4 * TURN_S
    assert day.worked["ada 0"] > day.worked["low"]
