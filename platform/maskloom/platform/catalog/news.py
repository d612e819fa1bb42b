"""Queries on what has happened to runs since somebody last looked.

Events of a run become visible in the order of their ids (`runs.add_event` sees to it), and its steps in that of their times,
since one driver at a time commits them, one after the other. So who remembers the last of each misses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, text

from maskloom.platform.run_facts import News, Seen

_EVENTS = text(
    """
    select e.run, e.id, e.kind, e.detail, e.at
    from unnest(cast(:runs as text[]), cast(:events as bigint[])) as seen (run, event)
    join run_events e on e.run = seen.run and e.id > seen.event
    order by e.id
    """
)
_STEPS = text(
    """
    select r.run, s.kind, r.round, r.seconds, s.output, r.at
    from unnest(cast(:runs as text[]), cast(:steps as timestamptz[])) as seen (run, step)
    join run_steps r on r.run = seen.run and r.at > seen.step
    join steps s on s.key = r.step
    order by r.at
    """
)

_NEWEST = text(
    "select (select coalesce(max(id), 0) from run_events where run = :run) as event, "
    "(select coalesce(max(at), 'epoch') from run_steps where run = :run) as step"
)


def newest(connection: Connection, run: str) -> Seen:
    """What there is to be seen of a run."""
    row = connection.execute(_NEWEST, {"run": run}).one()
    return Seen(event=row.event, step=row.step)


def since(connection: Connection, seen: Mapping[str, Seen]) -> list[News]:
    """What has happened to each of these runs since its `Seen`: its events in their order, and then its steps in theirs."""
    runs, last = list(seen), dict(seen)
    events = connection.execute(_EVENTS, {"runs": runs, "events": [seen[run].event for run in runs]}).all()
    steps = connection.execute(_STEPS, {"runs": runs, "steps": [seen[run].step for run in runs]}).all()
    news = []
    for row in events:
        last[row.run] = Seen(event=row.id, step=last[row.run].step)
        content = {"kind": row.kind, "detail": row.detail, "at": row.at}
        news.append(News(run=row.run, topic="run", content=content, seen=last[row.run]))
    for row in steps:
        last[row.run] = Seen(event=last[row.run].event, step=row.at)
        content = {
            "kind": row.kind,
            "round": row.round,
            "seconds": row.seconds,
            "output": row.output,
            "at": row.at,
        }
        news.append(News(run=row.run, topic="step", content=content, seen=last[row.run]))
    return news
