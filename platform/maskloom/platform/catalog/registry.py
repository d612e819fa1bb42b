"""Queries on the model registry: networks with names, what they are to their data sets, and how they did on test slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, and_, func, insert, select, text

from maskloom.platform.catalog.registry_schema import model_promotions, model_stages, models
from maskloom.platform.model_facts import Evidence, Grounds, Measurement, Model, Promotion, Stage

_NEWEST_STAGE = (
    select(model_stages.c.stage)
    .where(model_stages.c.dataset == models.c.dataset, model_stages.c.model == models.c.name)
    .order_by(model_stages.c.number.desc())
    .limit(1)
    .scalar_subquery()
    .label("stage")
)
_MEASUREMENTS = text(
    """
    select distinct on (m.name) m.name, e.step, e.measures, s.output ->> 'details' as details,
        md5(s.identity -> 'inputs' ->> 'pairs') as slice_set
    from models m
    join evaluations e on e.checkpoint = m.checkpoint and e.dataset = m.dataset and e.split = 'test'
    join run_steps r on r.run = m.run and r.step = e.step
    join steps s on s.key = e.step
    where m.dataset = :dataset and m.name = any(:names)
    order by m.name, e.at desc
    """
)


def lock(connection: Connection, dataset: str) -> None:
    """Until the end of this transaction, nobody else changes which models a data set has, or their stages."""
    connection.execute(
        text("select pg_advisory_xact_lock(hashtextextended('models ' || :dataset, 0))"), {"dataset": dataset}
    )


def add(connection: Connection, dataset: str, name: str, run: str, checkpoint: str, who: str) -> None:
    """Insert a model, as a candidate."""
    row = {"dataset": dataset, "name": name, "run": run, "checkpoint": checkpoint, "who": who}
    connection.execute(insert(models).values(row))
    set_stage(connection, dataset, name, Stage.CANDIDATE, who)


def of_dataset(connection: Connection, dataset: str) -> list[Model]:
    """The models of a data set, newest first."""
    query = select(models, _NEWEST_STAGE).where(models.c.dataset == dataset)
    return [
        _model(row) for row in connection.execute(query.order_by(models.c.at.desc(), models.c.name)).all()
    ]


def find(connection: Connection, dataset: str, name: str) -> Model | None:
    """The model of that name."""
    query = select(models, _NEWEST_STAGE).where(models.c.dataset == dataset, models.c.name == name)
    row = connection.execute(query).one_or_none()
    return None if row is None else _model(row)


def of_run(connection: Connection, run: str) -> Model | None:
    """The model that the network of a run is; None while it has no name."""
    row = connection.execute(select(models, _NEWEST_STAGE).where(models.c.run == run)).one_or_none()
    return None if row is None else _model(row)


def champion(connection: Connection, dataset: str) -> Model | None:
    """The champion of a data set; None before the first."""
    newest = (
        select(model_stages.c.model)
        .where(model_stages.c.dataset == dataset, model_stages.c.stage == Stage.CHAMPION)
        .order_by(model_stages.c.number.desc())
        .limit(1)
    )
    name = connection.scalar(newest)
    return None if name is None else find(connection, dataset, name)


def set_stage(connection: Connection, dataset: str, model: str, stage: Stage, who: str) -> int:
    """Say what a model is from now on (a champion: see `promote`); the number of that fact. Take `lock` before."""
    numbers = select(func.coalesce(func.max(model_stages.c.number), 0) + 1).where(
        model_stages.c.dataset == dataset
    )
    number: int = connection.execute(numbers).scalar_one()
    row = {"dataset": dataset, "number": number, "model": model, "stage": stage, "who": who}
    connection.execute(insert(model_stages).values(row))
    return number


def promote(connection: Connection, dataset: str, model: str, evidence: Evidence, who: str) -> None:
    """Make a model the champion, and archive `evidence.before`, the one that was it. Take `lock` before."""
    if evidence.before is not None:
        set_stage(connection, dataset, evidence.before, Stage.ARCHIVED, who)
    number = set_stage(connection, dataset, model, Stage.CHAMPION, who)
    row = asdict(evidence) | {"dataset": dataset, "number": number}
    connection.execute(insert(model_promotions).values(row))


def promotions(connection: Connection, dataset: str) -> list[Promotion]:
    """Every promotion of a data set, oldest first."""
    same = and_(
        model_stages.c.dataset == model_promotions.c.dataset,
        model_stages.c.number == model_promotions.c.number,
    )
    rows = connection.execute(
        select(model_promotions, model_stages.c.model, model_stages.c.who, model_stages.c.at)
        .join(model_stages, same)
        .where(model_promotions.c.dataset == dataset)
        .order_by(model_promotions.c.number)
    )
    return [_promotion(row) for row in rows]


def measurements(connection: Connection, dataset: str, names: Sequence[str]) -> dict[str, Measurement]:
    """How each of these models did on the test split of their data set when they were last measured there, by name."""
    rows = connection.execute(_MEASUREMENTS, {"dataset": dataset, "names": list(names)})
    return {
        row.name: Measurement(
            step=row.step,
            slices=row.measures["count"],
            estimates=row.measures["estimates"],
            details=row.details,
            slice_set=row.slice_set,
        )
        for row in rows
    }


def _model(row: Row[Any]) -> Model:
    return Model(
        dataset=row.dataset,
        name=row.name,
        run=row.run,
        checkpoint=row.checkpoint,
        stage=Stage(row.stage),
        who=row.who,
        at=row.at,
    )


def _promotion(row: Row[Any]) -> Promotion:
    evidence = Evidence(
        grounds=Grounds(row.grounds),
        before=row.before,
        reason=row.reason,
        evaluation=row.evaluation,
        evaluation_before=row.evaluation_before,
        comparison=row.comparison,
    )
    return Promotion(
        dataset=row.dataset,
        number=row.number,
        model=row.model,
        evidence=evidence,
        who=row.who,
        at=row.at,
    )
