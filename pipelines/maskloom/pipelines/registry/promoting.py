"""Give networks names, and make one of them the champion of its data set, each with its line in the audit trail.

A network becomes the champion because it was measured to be better, or because somebody decided it and said why. It is decided
in the caller's transaction, under the lock of the data set's models, and on the champion that the evidence is about.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Connection

from maskloom.pipelines.registry.comparing import Contender, champion_before, contender, known
from maskloom.platform.audit_facts import Act
from maskloom.platform.catalog import audit, registry, runs
from maskloom.platform.errors import NothingToDo, PromotionRefused, SettingsError
from maskloom.platform.model_facts import MODEL_NAME, Evidence, Grounds, Model, Stage
from maskloom.platform.objects.store import ObjectStore
from maskloom.platform.run_facts import Run


def register(connection: Connection, run: Run, name: str, act: Act) -> Model:
    """Give the final network of `run` a name in its data set: it is a candidate from now on. `act` goes into the audit trail.

    Raises SettingsError for what is no name, one that is taken, or a run whose network has another; NothingToDo before its end.
    """
    if not MODEL_NAME.fullmatch(name):
        raise SettingsError(
            f"{name[:64]!r} is no name for a model",
            hint="Take up to 64 letters, digits, and . _ - after the first.",
        )
    registry.lock(connection, run.dataset)
    own = registry.of_run(connection, run.id)
    if own is not None and own.name != name:
        raise SettingsError(
            f"the network of run {run.id} is registered as {own.name!r}", hint="It keeps that name."
        )
    if own is not None and own.stage is not Stage.ARCHIVED:
        return own
    if own is not None:
        registry.set_stage(connection, run.dataset, name, Stage.CANDIDATE, act.who)
    else:
        _add(connection, run, name, act.who)
    audit.append(connection, _told(act, run=run.id))
    return known(connection, run.dataset, name)


def _add(connection: Connection, run: Run, name: str, who: str) -> None:
    checkpoint = runs.final_checkpoint(connection, run.id)
    if checkpoint is None:
        raise NothingToDo(
            f"run {run.id} has not finished, so its network is not its last",
            hint=f"Go on with `maskloom resume {run.id}`.",
        )
    taken = registry.find(connection, run.dataset, name)
    if taken is not None:
        raise SettingsError(
            f"data set {run.dataset!r} has a model {name!r} already, of run {taken.run}",
            hint="Choose another name.",
        )
    registry.add(connection, run.dataset, name, run.id, checkpoint, who)


def promote(
    connection: Connection,
    objects: ObjectStore,
    dataset: str,
    name: str,
    act: Act,
    reason: str | None = None,
) -> Model:
    """Make a model the champion in place of the one that is it, which is archived.

    Args:
        connection: in a transaction, which it is done in.
        objects: has the measures slice by slice.
        dataset: where it is to be the champion.
        name: the model's. Nothing changes where it is the champion already.
        act: what the audit trail keeps, with the grounds.
        reason: why it is to be the champion although its measures do not say so; None where they have to.

    Raises:
        UnknownName: there is no such model.
        PromotionRefused: it has not been shown to be better and there is no reason, or the champion has changed meanwhile.
        SettingsError: the reason is empty.
    """
    if reason is not None and not reason.strip():
        raise SettingsError("the reason is empty", hint="Say why this network is to be the champion.")
    one = contender(connection, objects, dataset, name)
    if one.model.stage is Stage.CHAMPION:
        return one.model
    if one.obstacle is not None and reason is None:
        raise PromotionRefused(one.obstacle.message, hint=one.obstacle.hint)
    evidence = _evidence(one, reason)
    registry.lock(connection, dataset)
    now = registry.champion(connection, dataset)
    if now is not None and now.name == name:
        return now
    if (now.name if now else None) != evidence.before:
        raise _changed(dataset, now)
    registry.promote(connection, dataset, name, evidence, act.who)
    audit.append(connection, _told(act, grounds=evidence.grounds, before=evidence.before))
    return known(connection, dataset, name)


def _evidence(one: Contender, reason: str | None) -> Evidence:
    measured = Grounds.FIRST if one.champion is None else Grounds.BETTER
    return Evidence(
        grounds=measured if one.obstacle is None else Grounds.OVERRIDE,
        before=one.champion.name if one.champion else None,
        reason=reason,
        evaluation=one.measurement.step if one.measurement else None,
        evaluation_before=one.champion_measurement.step if one.champion_measurement else None,
        comparison=asdict(one.comparison) if one.comparison else None,
    )


def rollback(connection: Connection, dataset: str, name: str, act: Act, reason: str | None = None) -> Model:
    """Give the champion `name` up for the one before it, which is returned. Nothing changes where that has happened already.

    Raises UnknownName where there is no such model, PromotionRefused where it is not the champion or there was none before it.
    """
    registry.lock(connection, dataset)
    now = registry.champion(connection, known(connection, dataset, name).dataset)
    promotions = registry.promotions(connection, dataset)
    if now is None or not promotions:
        raise _changed(dataset, now)
    newest = promotions[-1].evidence
    if newest.grounds is Grounds.ROLLBACK and newest.before == name:
        return now
    if now.name != name:
        raise _changed(dataset, now)
    before = champion_before(promotions)
    if before is None:
        raise PromotionRefused(
            f"there was no champion of data set {dataset!r} before {name}",
            hint="Promote another model instead.",
        )
    evidence = Evidence(grounds=Grounds.ROLLBACK, before=name, reason=reason)
    registry.promote(connection, dataset, before, evidence, act.who)
    audit.append(connection, _told(act, to=before))
    return known(connection, dataset, before)


def archive(connection: Connection, dataset: str, name: str, act: Act) -> Model:
    """Put a model aside. Nothing changes where it is archived already; `register` makes it a candidate again.

    Raises UnknownName where there is no such model, PromotionRefused for the champion.
    """
    registry.lock(connection, dataset)
    model = known(connection, dataset, name)
    if model.stage is Stage.ARCHIVED:
        return model
    if model.stage is Stage.CHAMPION:
        raise PromotionRefused(
            f"{name} is the champion of data set {dataset!r}",
            hint="Promote another model, or roll back to the one before.",
        )
    registry.set_stage(connection, dataset, name, Stage.ARCHIVED, act.who)
    audit.append(connection, act)
    return known(connection, dataset, name)


def _changed(dataset: str, now: Model | None) -> PromotionRefused:
    return PromotionRefused(
        f"the champion of data set {dataset!r} is {now.name} now"
        if now
        else f"data set {dataset!r} has no champion yet",
        hint="Look at the models again, and decide on what you see then.",
    )


def _told(act: Act, **detail: Any) -> Act:
    # Not the reason, which people write as they like: it stands with the promotion.
    return replace(act, detail=act.detail | detail)
