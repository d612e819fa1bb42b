"""A catalog of as many slices as wanted, made by set-based SQL in the real schema, with every constraint and trigger at work.

Ten data sets, the largest with 40 % of the slices; volumes of a hundred slices, 2 % of them with expert masks and 3 % for
tests; a run for every hundred slices, nine in ten of them with four rounds of fifteen pseudo labels and the others with
twenty; a review for every hundredth run. There are no pixels.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

from maskloom.pipelines import recipes
from maskloom.platform.bootstrap import Platform

SHARES = {
    "abbey": 40,
    "birch": 20,
    "clover": 10,
    "dune": 10,
    "elm": 5,
    "fjord": 5,
    "grove": 4,
    "heath": 3,
    "isle": 2,
    "juniper": 1,
}
"""Per cent of the slices, and of the runs, by data set."""
LARGEST = "abbey"
SLICES_OF_A_RUN = 100

_PLANS = (
    """
    create function pg_temp.named(text) returns text language sql immutable as
    $$ select encode(sha256(convert_to($1, 'UTF8')), 'hex') $$
    """,
    "create temp table shares (part int primary key, dataset text, share int, place int) on commit drop",
    """
    create temp table planned on commit drop as
    select pg_temp.named('slice ' || n) as digest, dataset, volume, position,
        case when volume % 50 = 0 then 'labelled' when volume % 100 in (1, 33, 66) then 'test' else 'unlabelled' end as split
    from (
        select n, s.dataset, (n / 100 * s.share + s.place) / 100 as volume, (n / 100 * s.share + s.place) % 100 as position
        from generate_series(0, :slices - 1) n join shares s on s.part = n % 100
    ) placed
    """,
    """
    create temp table pool on commit drop as
    select dataset, digest, row_number() over (partition by dataset order by digest) - 1 as place
    from planned where split = 'unlabelled'
    """,
    "create index on pool (dataset, place)",
    """
    create temp table planned_runs on commit drop as
    select k, left(pg_temp.named('run ' || k), 12) as id, s.dataset, case when k % 10 = 9 then 20 else 4 end as rounds,
        clock_timestamp() - make_interval(mins => 30 * (:runs - k)) as at, pools.size as pool_size
    from generate_series(0, :runs - 1) k join shares s on s.part = k * 37 % 100
    join (select dataset, count(*) as size from pool group by dataset) pools on pools.dataset = s.dataset
    """,
    """
    create temp table planned_steps on commit drop as
    select r.id as run, r.k, r.dataset, s.kind, s.round, s.place, r.at + make_interval(secs => 10 * s.place) as at,
        pg_temp.named(r.id || ' step ' || s.place) as key, pg_temp.named(r.id || ' network ' || s.place) as network
    from planned_runs r cross join lateral (
        select 'train' as kind, null\\:\\:int as round, 0 as place
        union all select 'sample', null, 1
        union all select kinds.kind, round, round * 4 + kinds.place
            from generate_series(1, r.rounds) round,
            (values ('label', 0), ('gate', 1), ('merge', 2), ('train', 3)) kinds (kind, place)
        union all select 'train', null, r.rounds * 4 + 4
        union all select 'train', null, r.rounds * 4 + 5
        union all select 'evaluate', null, r.rounds * 4 + 6
        union all select 'open_review', 1, r.rounds * 4 + 7 where r.k % 100 = 50
    ) s
    """,
    "create index on planned_steps (run, round, kind)",
    """
    create temp table planned_labels on commit drop as
    select pg_temp.named('label ' || s.key || i) as digest, pg_temp.named('mask ' || s.key || i) as mask, s.run, s.dataset,
        s.round, s.key as step, p.digest as slice, before.network, s.at,
        (i * 7 + s.k) % 100 / 1000.0 as area, (i * 13 + s.k) % 100 / 100.0 as uncertainty
    from planned_steps s
    join planned_runs r on r.id = s.run
    join planned_steps before on before.run = s.run and before.place = case when s.round = 1 then 0 else s.place - 1 end
    cross join generate_series(0, 14) i
    join pool p on p.dataset = s.dataset and p.place = (s.k * 61 + (s.round - 1) * 15 + i) % r.pool_size
    where s.kind = 'label' and (s.round - 1) * 15 + i < r.pool_size
    """,
    "create index on planned_labels (step)",
    "analyze planned_labels, planned_steps, planned_runs, pool",
)
_FACTS = (
    "insert into datasets (name, classes) select distinct dataset, array['infection'] from shares",
    "insert into blobs (digest, size_bytes, media_type) select digest, 120000, 'image/png' from planned",
    """
    insert into slices (dataset, digest, split, volume, position, name, width, height, bits, perceptual_hash)
    select dataset, digest, split, 'patient ' || volume, position,
        'patient_' || volume || '_' || lpad(position\\:\\:text, 3, '0') || '.png', 512, 512, 8,
        hashtextextended(digest, 0)
    from planned order by dataset, volume, position
    """,
    """
    insert into blobs (digest, size_bytes, media_type)
    select pg_temp.named('drawn ' || digest), 4000, 'image/png' from planned where split <> 'unlabelled'
    """,
    """
    insert into label_versions (digest, dataset, slice, split, kind, mask, scores)
    select pg_temp.named('expert ' || digest), dataset, digest, split, 'expert', pg_temp.named('drawn ' || digest), '{}'
    from planned where split <> 'unlabelled'
    """,
    """
    insert into dataset_versions (digest, dataset, size)
    select pg_temp.named(dataset || split), dataset, count(*) from planned where split <> 'test' group by dataset, split
    """,
    """
    insert into dataset_version_items (version, slice, dataset, split, label)
    select pg_temp.named(dataset || split), digest, dataset, split,
        case when split = 'labelled' then pg_temp.named('expert ' || digest) end
    from planned where split <> 'test' order by 1, 2
    """,
    """
    insert into dataset_versions (digest, dataset, size)
    select pg_temp.named(dataset || 'labelled'), dataset, 0 from shares on conflict do nothing
    """,
    """
    insert into runs (id, recipe, dataset, seed, labelled, pool, at)
    select id, cast(case when k % 3 = 0 then :paper else :quick end as jsonb), dataset, k,
        pg_temp.named(dataset || 'labelled'), pg_temp.named(dataset || 'unlabelled'), at
    from planned_runs order by k
    """,
    """
    insert into attempts (step, run, epoch, holder, at)
    select key, run, 1, '{"host": "node", "pid": 1, "boot": "", "namespace": "", "started": 0}', at
    from planned_steps order by k, place
    """,
    """
    insert into blobs (digest, size_bytes, media_type)
    select network, 14000000, 'application/octet-stream' from planned_steps where kind = 'train'
    union all select mask, 4000, 'image/png' from planned_labels
    """,
    """
    insert into steps (key, kind, identity, output, attempt, at)
    select s.key, s.kind, '{}', case s.kind
        when 'train' then jsonb_build_object('digest', s.network, 'size_bytes', 14000000, 'steps', 50, 'slices', 400,
            'curve', (select jsonb_agg(jsonb_build_array(n * 5, 1.0 / n, 1 - 1.0 / (n + 1))) from generate_series(1, 10) n),
            'images_per_s', 55.5, 'compute_s', 8.0)
        when 'sample' then jsonb_build_object('group_size', 15, 'order', jsonb_build_object('order', s.key, 'first', 0,
            'size', (select count(*) from planned_labels l where l.run = s.run)))
        when 'label' then jsonb_build_object('digest', s.key, 'compute_s', 2.5, 'count', labels.sure + labels.refused,
            'empty', 0)
        when 'gate' then jsonb_build_object('digest', s.key, 'kept', labels.sure, 'refused', labels.refused)
        when 'merge' then jsonb_build_object('digest', pg_temp.named(s.dataset || 'labelled'), 'dataset', s.dataset,
            'parent', s.key, 'size', 400 + 15 * s.round)
        when 'open_review' then jsonb_build_object('digest', s.key, 'slices', 15)
        else jsonb_build_object('split', 'test', 'count', 1, 'details', s.network, 'slices', jsonb_build_array(),
            'estimates', jsonb_build_object(
                'dice', jsonb_build_object('value', 0.78, 'low', 0.71, 'high', 0.84),
                'mean_dice', jsonb_build_object('value', 0.71, 'low', 0.65, 'high', 0.77)))
        end, a.id, s.at
    from planned_steps s
    join attempts a on a.step = s.key
    left join lateral (
        select count(*) filter (where l.uncertainty <= 0.8) as sure, count(*) filter (where l.uncertainty > 0.8) as refused
        from planned_steps o join planned_labels l on l.step = o.key
        where s.kind in ('label', 'gate') and o.run = s.run and o.round = s.round and o.kind = 'label'
    ) labels on true
    order by s.k, s.place
    """,
    "insert into checkpoints (digest, step, size_bytes) select network, key, 14000000 from planned_steps where kind = 'train'",
    """
    insert into run_steps (run, step, round, seconds, at)
    select run, key, round, 5, at from planned_steps order by k, place
    """,
    """
    insert into label_versions (digest, dataset, slice, split, kind, mask, step, checkpoint, scores, at)
    select digest, dataset, slice, 'unlabelled', 'pseudo', mask, step, network,
        jsonb_build_object('area', area, 'peak', 0.9, 'uncertainty', uncertainty), at
    from planned_labels order by at
    """,
    """
    insert into gate_decisions (step, label, gate, kept, reason)
    select s.key, l.digest, 'confidence', l.uncertainty <= 0.8, 'kept'
    from planned_labels l join planned_steps s on s.run = l.run and s.round = l.round and s.kind = 'gate'
    """,
    """
    insert into evaluations (step, checkpoint, dataset, split, measures)
    select s.key, t.network, s.dataset, 'test', o.output from planned_steps s
    join steps o on o.key = s.key
    join planned_steps t on t.run = s.run and t.place = s.place - 1
    where s.kind = 'evaluate'
    """,
    """
    insert into run_events (run, kind, detail, at)
    select id, kind, case kind
        when 'queued' then jsonb_build_object('owner', 'person ' || k % 30, 'priority', 'normal', 'workers', 1)
        when 'finished' then jsonb_build_object('final_checkpoint', pg_temp.named(id || ' network ' || rounds * 4 + 5))
        else '{}' end, at + make_interval(secs => after)
    from planned_runs, (values ('queued', 0), ('started', 1), ('finished', 1000)) kinds (kind, after)
    order by k, after
    """,
    """
    insert into reviews (id, run, dataset, round, parameters)
    select key, run, dataset, 1, '{"mode": "optional", "readers": ["anna", "ben"]}' from planned_steps
    where kind = 'open_review'
    """,
    """
    insert into review_assignments (review, slice, reader, dataset, split, label, purpose, place)
    select r.id, l.slice, reader, l.dataset, 'unlabelled', l.digest, 'reading',
        row_number() over (partition by r.id, reader)
    from reviews r join planned_labels l on l.run = r.run and l.round = 1, (values ('anna'), ('ben')) readers (reader)
    """,
)


def fill(platform: Platform, slices: int) -> int:
    """Fill an empty catalog with that many slices; returns how many rows there are then."""

    def insert(connection: Connection) -> None:
        place = 0
        for statement in _PLANS[:2]:
            connection.execute(text(statement))
        for dataset, share in SHARES.items():
            connection.execute(
                text(
                    "insert into shares select :first + n, :dataset, :share, n from generate_series(0, :share - 1) n"
                ),
                {"first": place, "dataset": dataset, "share": share},
            )
            place += share
        values = {
            "slices": slices,
            "runs": slices // SLICES_OF_A_RUN,
            **{name: _recipe(f"semi-inf-net{end}") for name, end in (("paper", ""), ("quick", "-quick"))},
        }
        for statement in (*_PLANS[2:], *_FACTS):
            wanted = {name: value for name, value in values.items() if f":{name}" in statement}
            connection.execute(text(statement), wanted)
            if statement in _FACTS:
                # The checks of what follows are planned by what PostgreSQL knows of the tables that they look into.
                connection.execute(text(f"analyze {statement.split()[2]}"))
        connection.execute(text("analyze slice_counts, newest_events, step_counts"))
        tables = {statement.split()[2] for statement in _FACTS}
        return sum(connection.execute(text(f"select count(*) from {table}")).scalar_one() for table in tables)

    return platform.database.transaction(insert)


def _recipe(name: str) -> str:
    return recipes.RECIPE.dump_json(recipes.RECIPES[name]).decode()
