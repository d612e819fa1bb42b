"""How the reviews of a run stand: how far each round and each reader is, and what could not be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from maskloom.pipelines.review.agreement import Agreement
from maskloom.pipelines.review.comparing import Answers, Compared, Comparing
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import answers, reviews
from maskloom.platform.catalog.reviews import ReviewState
from maskloom.platform.facts import Answer, AnswerKind, Purpose, SetAside, VerdictKind
from maskloom.platform.run_facts import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundSummary:
    """One review: how many slices are shown, and what was decided on how many. `closed`: why it is, or None.

    `gold`: slices among them that experts have drawn. `agreement`: mean Dice of each two readers, 0..1, and `median_s` how
    long a mask takes; None where nothing tells.
    """

    round: int | None
    opened_at: datetime
    closed: str | None
    slices: int
    accepted: int
    corrected: int
    rejected: int
    disputed: int
    """Slices that wait for an adjudicator."""
    gold: int
    agreement: float | None
    median_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderSummary:
    """One reader: what they were given, what they made of it, and how long they took where the tool told."""

    reader: str
    given: int
    left: int
    accepted: int
    corrected: int
    rejected: int
    median_s: float | None
    total_s: float
    agreement: float | None
    """Mean Dice with the other readers of the same slices, 0..1; None where there are none."""
    gold: Agreement | None
    """With the experts, on slices that they had drawn before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairSummary:
    """How well two readers agree."""

    readers: tuple[str, str]
    agreement: Agreement


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewSummary:
    """All reviews of a run."""

    run: str
    rounds: tuple[RoundSummary, ...]
    readers: tuple[ReaderSummary, ...]
    pairs: tuple[PairSummary, ...]
    set_aside: tuple[SetAside, ...]


def summary(platform: Platform, run: Run, compared: Compared | None = None) -> ReviewSummary:
    """How the reviews of `run` stand. Who asks often keeps `compared`."""
    with platform.database.connection() as connection:
        states = reviews.of_run(connection, run.id)
        ids = [state.review.id for state in states]
        newest = answers.newest_answers(connection, ids)
        verdicts = answers.newest_verdicts(connection, ids)
        owners = sorted({state.review.run for state in states})
        aside = [thing for owner in owners for thing, _ in answers.set_aside(connection, owner)]
    comparing = Comparing(platform, states, newest, compared)
    pairs = comparing.pairs()
    decided = {key: verdict.kind for key, verdict in verdicts.items()}
    agreements = comparing.of_reviews()
    return ReviewSummary(
        run=run.id,
        rounds=tuple(_round(state, decided, newest, agreements.get(state.review.id)) for state in states),
        readers=_readers(states, newest, pairs, comparing.gold()),
        pairs=tuple(PairSummary(readers=readers, agreement=found) for readers, found in pairs.items()),
        set_aside=tuple(aside),
    )


def _round(
    state: ReviewState,
    decided: dict[tuple[str, str], VerdictKind],
    newest: Answers,
    agreement: float | None,
) -> RoundSummary:
    shown = {one.slice for one in state.review.assignments if one.purpose is not Purpose.GOLD}
    disputed = {one.slice for one in state.review.assignments if one.purpose is Purpose.ADJUDICATION}
    kinds = {slice_: decided.get((state.review.id, slice_)) for slice_ in shown}
    counts = Counter(kinds.values())
    own = [answer for (review, _, _), answer in newest.items() if review == state.review.id]
    return RoundSummary(
        round=state.review.round,
        opened_at=state.opened_at,
        closed=state.closed,
        slices=len(shown),
        accepted=counts[VerdictKind.ACCEPTED],
        corrected=counts[VerdictKind.CORRECTED],
        rejected=counts[VerdictKind.REJECTED],
        disputed=sum(kinds[slice_] in {None, VerdictKind.OPEN} for slice_ in disputed),
        gold=len({one.slice for one in state.review.assignments if one.purpose is Purpose.GOLD}),
        agreement=agreement,
        median_s=_median_s(own),
    )


def _readers(
    states: Sequence[ReviewState],
    answers: Answers,
    pairs: Mapping[tuple[str, str], Agreement],
    gold: Mapping[str, Agreement],
) -> tuple[ReaderSummary, ...]:
    given = Counter(one.reader for state in states for one in state.review.assignments)
    found = []
    for reader in sorted(given):
        own = [answer for (_, _, name), answer in answers.items() if name == reader]
        kinds = Counter(answer.kind for answer in own)
        found.append(
            ReaderSummary(
                reader=reader,
                given=given[reader],
                left=given[reader] - len(own) + kinds[AnswerKind.WITHDRAWN],
                accepted=kinds[AnswerKind.ACCEPTED],
                corrected=kinds[AnswerKind.CORRECTED],
                rejected=kinds[AnswerKind.REJECTED],
                median_s=_median_s(own),
                total_s=sum(answer.lead_time_s or 0.0 for answer in own),
                agreement=_mean([found for readers, found in pairs.items() if reader in readers]),
                gold=gold.get(reader),
            )
        )
    return tuple(found)


def _median_s(own: Sequence[Answer]) -> float | None:
    times = [answer.lead_time_s for answer in own if answer.lead_time_s is not None]
    return median(times) if times else None


def _mean(found: Sequence[Agreement]) -> float | None:
    """Mean Dice over all slices of several pairs."""
    slices = sum(one.slices for one in found)
    return sum(one.dice * one.slices for one in found) / slices if slices else None
