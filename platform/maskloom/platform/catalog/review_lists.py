"""Queries on how reviews stand: their counts, their readers' queues, and their slices."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from maskloom.platform.facts import AnswerKind, Purpose, VerdictKind
from maskloom.platform.review_facts import Given, ItemState, Queue, ReviewCounts, ReviewItem, Unread

_ANSWERS = """
answers as (
    select distinct on (review, slice, reader) review, slice, reader, kind, label, lead_time_s, made_at
    from review_answers where review in (select id from wanted) order by review, slice, reader, id desc
)"""
_VERDICTS = """
verdicts as (
    select distinct on (review, slice) review, slice, nullif(kind, 'open') as kind, label, decided_by
    from review_verdicts where review in (select id from wanted) order by review, slice, number desc
)"""
_COUNTS = text(
    f"""
    with wanted as (
        select r.id, r.run, r.dataset, r.round, r.at as opened_at, c.reason as closed, c.at as closed_at
        from reviews r left join review_closings c on c.review = r.id
        where r.dataset = any(:datasets)
            and (cast(:id as text) is null or r.id = :id)
            and (cast(:open as boolean) is null or (c.review is null) = :open)
            and (cast(:run as text) is null or r.id in (select step from run_steps where run = :run))
            and (cast(:at as timestamptz) is null or (r.at, r.id) < (:at, :before))
        order by r.at desc, r.id desc limit :limit
    ), {_ANSWERS}, {_VERDICTS}, given as (
        select s.review, count(*) as assigned,
            count(distinct s.slice) filter (where s.purpose <> 'gold') as slices,
            count(distinct s.slice) filter (where s.purpose = 'gold') as gold,
            count(*) filter (where a.kind <> 'withdrawn') as answered,
            count(distinct s.slice) filter (where s.purpose = 'adjudication' and v.kind is null) as disputed,
            percentile_cont(0.5) within group (order by a.lead_time_s) as median_s
        from review_assignments s
        left join answers a using (review, slice, reader)
        left join verdicts v using (review, slice)
        where s.review in (select id from wanted) group by s.review
    ), decided as (
        select review, count(*) filter (where kind = 'accepted') as accepted,
            count(*) filter (where kind = 'corrected') as corrected,
            count(*) filter (where kind = 'rejected') as rejected
        from verdicts group by review
    )
    select w.*, coalesce(g.assigned, 0) as assigned, coalesce(g.slices, 0) as slices, coalesce(g.gold, 0) as gold,
        coalesce(g.answered, 0) as answered, coalesce(g.disputed, 0) as disputed, g.median_s,
        coalesce(d.accepted, 0) as accepted, coalesce(d.corrected, 0) as corrected,
        coalesce(d.rejected, 0) as rejected
    from wanted w left join given g on g.review = w.id left join decided d on d.review = w.id
    order by w.opened_at desc, w.id desc
    """
)
_QUEUES = text(
    f"""
    with wanted as (
        select r.id, r.run, r.dataset, c.review is null as open
        from reviews r left join review_closings c on c.review = r.id
        where r.dataset = any(:datasets) and (cast(:run as text) is null or r.run = :run)
            and (:run is not null or r.run in (
                select o.run from reviews o left join review_closings oc on oc.review = o.id where oc.review is null))
    ), {_ANSWERS}, given as (
        select w.run, w.dataset, s.reader, s.purpose, s.at, a.kind, a.lead_time_s, a.made_at,
            w.open and (a.kind is null or a.kind = 'withdrawn') as is_left
        from wanted w join review_assignments s on s.review = w.id
        left join answers a using (review, slice, reader)
        where cast(:reader as text) is null or s.reader = :reader
    )
    select g.run, g.dataset, g.reader, count(*) as given,
        count(*) filter (where kind = 'accepted') as accepted, count(*) filter (where kind = 'corrected') as corrected,
        count(*) filter (where kind = 'rejected') as rejected, count(*) filter (where is_left) as left,
        count(*) filter (where is_left and purpose = 'adjudication') as to_decide,
        percentile_cont(0.5) within group (order by lead_time_s) as median_s,
        min(at) filter (where is_left) as oldest_at, max(made_at) as newest_at,
        (select d.place from review_desks d where d.run = g.run and d.reader = g.reader order by d.id desc limit 1) as place
    from given g group by g.run, g.dataset, g.reader order by g.run, g.reader
    """
)
_SHOWN = f"""
    with wanted as (select cast(:review as text) as id), {_ANSWERS}, {_VERDICTS}, shown as (
        select s.dataset, s.slice, min(s.label) as label, bool_or(s.purpose = 'gold') as gold,
            bool_or(s.purpose = 'adjudication') as disputed, min(nullif(a.kind, 'withdrawn')) as own
        from review_assignments s left join answers a using (review, slice, reader)
        where s.review = :review and (cast(:reader as text) is null or s.reader = :reader)
        group by s.dataset, s.slice
    ), items as (
        select s.dataset, s.slice, s.label, coalesce(cast(l.scores ->> 'uncertainty' as double precision), 0) as doubt,
            v.kind, v.label as verdict_label, v.decided_by,
            case when cast(:reader as text) is not null then coalesce(s.own, 'unread')
                when s.gold then 'gold' when v.kind is not null then v.kind
                when s.disputed then 'disputed' else 'unread' end as state
        from shown s join label_versions l on l.digest = s.label
        left join verdicts v on v.slice = s.slice
    )"""
_ITEMS = text(
    f"""{_SHOWN}
    select i.*, p.name, p.width, p.height from items i join slices p on p.dataset = i.dataset and p.digest = i.slice
    where (cast(:state as text) is null or i.state = :state)
        and (cast(:doubt as double precision) is null or (-i.doubt, i.slice) > (-cast(:doubt as double precision), :after))
    order by -i.doubt, i.slice limit :limit
    """
)
_STATES = text(f"{_SHOWN} select state, count(*) as number from items group by state")
_GIVEN = text(
    f"""
    with wanted as (select cast(:review as text) as id), {_ANSWERS}
    select s.slice, s.reader, s.purpose, nullif(a.kind, 'withdrawn') as kind, a.label, a.lead_time_s
    from review_assignments s left join answers a using (review, slice, reader)
    where s.review = :review and s.slice = any(:slices) and (cast(:reader as text) is null or s.reader = :reader)
    order by s.purpose = 'adjudication', s.reader
    """
)
_UNREAD = text(
    """
    select count(*) as items, coalesce(extract(epoch from clock_timestamp() - min(s.at)), 0) as oldest_s
    from reviews r
    join review_assignments s on s.review = r.id
    left join lateral (
        select a.kind from review_answers a
        where a.review = s.review and a.slice = s.slice and a.reader = s.reader order by a.id desc limit 1
    ) last on true
    where not exists (select 1 from review_closings c where c.review = r.id)
        and (last.kind is null or last.kind = 'withdrawn')
    """
)


def page(
    connection: Connection,
    datasets: Sequence[str],
    *,
    limit: int,
    is_open: bool | None = None,
    run: str | None = None,
    before: tuple[datetime, str] | None = None,
) -> list[ReviewCounts]:
    """The next `limit` reviews on `datasets`, newest first, from before the one of that time and id.

    Only those that are open, or closed, where `is_open` says so, and only those that a run has where one is given, those
    included that it shares with an earlier run.
    """
    at, last = before or (None, "")
    values = {"id": None, "open": is_open, "run": run, "at": at, "before": last, "limit": limit}
    rows = connection.execute(_COUNTS, {"datasets": list(datasets), **values})
    return [_counts(row) for row in rows]


def find(connection: Connection, review: str, datasets: Sequence[str]) -> ReviewCounts | None:
    """The review of that id, if it is on one of `datasets`."""
    values = {"id": review, "open": None, "run": None, "at": None, "before": "", "limit": 1}
    row = connection.execute(_COUNTS, {"datasets": list(datasets), **values}).one_or_none()
    return None if row is None else _counts(row)


def queues(
    connection: Connection, datasets: Sequence[str], *, reader: str | None = None, run: str | None = None
) -> list[Queue]:
    """What readers of runs on `datasets` have to read, by run and reader.

    Of the runs that have an open review, or of the one `run`; of every reader, or of the one `reader`.
    """
    rows = connection.execute(_QUEUES, {"datasets": list(datasets), "reader": reader, "run": run})
    return [Queue(**row) for row in rows.mappings()]


def items(
    connection: Connection,
    review: str,
    *,
    reader: str | None,
    state: ItemState | None,
    after: tuple[float, str] | None,
    limit: int,
) -> list[ReviewItem]:
    """The next `limit` slices of a review, the least certain first, from after the one of that doubt and digest.

    With `reader` they are as that reader may see them: what was handed to them, with their own answers, and nothing that tells
    what others made of it, what was decided, or which of them are gold.
    """
    doubt, last = after or (None, "")
    values = {"review": review, "reader": reader}
    found = connection.execute(
        _ITEMS, {**values, "state": state, "doubt": doubt, "after": last, "limit": limit}
    ).all()
    given: dict[str, list[Given]] = {row.slice: [] for row in found}
    for row in connection.execute(_GIVEN, {**values, "slices": list(given)}):
        given[row.slice].append(_given(row, for_reader=reader is not None))
    return [_item(row, tuple(given[row.slice]), for_reader=reader is not None) for row in found]


def states(connection: Connection, review: str, *, reader: str | None) -> dict[ItemState, int]:
    """How many slices of a review are in each state, as `items` tells them."""
    found = {
        ItemState(row.state): row.number
        for row in connection.execute(_STATES, {"review": review, "reader": reader})
    }
    return {state: found[state] for state in ItemState if state in found}


def unread(connection: Connection) -> Unread:
    """What readers of open reviews have not answered."""
    row = connection.execute(_UNREAD).one()
    return Unread(items=row.items, oldest_s=float(row.oldest_s))


def _counts(row: Row[Any]) -> ReviewCounts:
    return ReviewCounts(**row._mapping)


def _given(row: Row[Any], *, for_reader: bool) -> Given:
    # To its reader a gold slice is one like the others.
    purpose = Purpose.READING if for_reader and row.purpose == Purpose.GOLD else Purpose(row.purpose)
    return Given(
        reader=row.reader,
        purpose=purpose,
        kind=AnswerKind(row.kind) if row.kind else None,
        label=row.label,
        lead_time_s=row.lead_time_s,
    )


def _item(row: Row[Any], given: tuple[Given, ...], *, for_reader: bool) -> ReviewItem:
    decided = row.kind is not None and not for_reader
    return ReviewItem(
        slice=row.slice,
        # A name may tell which volume is one that experts have drawn; files of folders are named so.
        name=row.slice[:8] if for_reader else row.name,
        width=row.width,
        height=row.height,
        label=row.label,
        doubt=row.doubt,
        state=ItemState(row.state),
        answers=given,
        verdict=VerdictKind(row.kind) if decided else None,
        verdict_label=row.verdict_label if decided else None,
        decided_by=row.decided_by if decided else None,
    )
