"""The story of every mask of a run: what `maskloom show`, the exports and the report say of one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import provenance, steps
from maskloom.platform.facts import GateDecision, LabelKind, Split
from maskloom.platform.run_facts import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskRecord:
    """One mask of a slice, and where it comes from. `slice`, `mask`, `label` and `checkpoint` are digests."""

    slice: str
    name: str
    volume: str
    position: int
    split: Split
    kind: LabelKind
    mask: str
    label: str
    stage: str
    """`round 3`, `final` (the finished network's pass), or `expert` and `review` where a person drew it."""
    round: int | None
    checkpoint: str | None
    """The network that drew it; None where a person did."""
    reader: str | None
    """Who accepted or corrected it in a review; None where several did, or none."""
    seed: int | None
    gate: str | None
    """The gate that judged it before it was trained on; None where none did."""
    kept: bool | None
    reason: str | None
    area: float | None
    """Share of the slice that is lesion, 0..1."""
    peak: float | None
    """Largest probability, 0..1."""
    uncertainty: float | None
    """0 sure .. 1 unsure."""
    made_at: datetime


def labels_of_run(platform: Platform, run: Run) -> list[MaskRecord]:
    """THE mask of every slice of `run` that has one, by split, volume and position.

    A person's mask goes before a network's (`LabelKind`), and of two of a kind the later: the final pass
    before a round.
    """
    chosen: dict[str, MaskRecord] = {}
    for record in platform.database.transaction(lambda connection: _records(connection, run)):
        earlier = chosen.get(record.slice)
        if earlier is None or record.kind.precedence >= earlier.kind.precedence:
            chosen[record.slice] = record
    return list(chosen.values())


def story_of_slice(platform: Platform, run: Run, slice_digest: str) -> list[MaskRecord]:
    """Every mask that a slice of the run's data set got, from this run or from people, oldest first.

    Empty for a slice that has none, and for one that the data set does not have.
    """
    records = platform.database.transaction(lambda connection: _records(connection, run, slice_digest))
    return sorted(records, key=lambda record: record.made_at)


def _records(connection: Connection, run: Run, slice_digest: str | None = None) -> list[MaskRecord]:
    decisions = {decision.label: decision for decision in steps.decisions(connection, run.id)}
    rows = provenance.masks(connection, run, slice_digest)
    return [_record(run, row, decisions.get(row.label)) for row in rows]


def _record(run: Run, row: Row[Any], decision: GateDecision | None) -> MaskRecord:
    kind = LabelKind(row.kind)
    if row.by_run:
        stage = "final" if row.round is None else f"round {row.round}"
    else:
        stage = "expert" if kind is LabelKind.EXPERT else "review"
    return MaskRecord(
        slice=row.slice,
        name=row.name,
        volume=row.volume,
        position=row.position,
        split=Split(row.split),
        kind=kind,
        mask=row.mask,
        label=row.label,
        stage=stage,
        round=row.round,
        checkpoint=row.checkpoint,
        reader=row.reader,
        seed=run.seed if row.by_run else None,
        gate=decision.gate if decision else None,
        kept=decision.kept if decision else None,
        reason=decision.reason if decision else None,
        area=row.scores.get("area"),
        peak=row.scores.get("peak"),
        uncertainty=row.scores.get("uncertainty"),
        made_at=row.at,
    )
