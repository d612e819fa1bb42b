"""The catalog's schema and its connection: what PostgreSQL refuses, and what survives its death."""

from __future__ import annotations

import subprocess
import sys

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from maskloom.pipelines.slice_lists import SliceList
from maskloom.pipelines.steps.gate import Gated
from maskloom.pipelines.steps.label import PseudoLabels
from maskloom.pipelines.steps.sample import Groups
from maskloom.platform.catalog.database import MIGRATIONS, Database
from maskloom.platform.catalog.every_table import FACT_TABLES, STATE_TABLES, metadata
from maskloom.platform.fingerprint import sha256
from maskloom.services.following import parsed

ROWS = """
insert into blobs (digest, size_bytes, media_type) values ('image', 1, 'image/png'), ('mask', 1, 'image/png'), ('net', 1, 'x');
insert into datasets (name, classes) values ('d', '{infection}');
insert into slices (dataset, digest, split, volume, position, name, width, height, bits, perceptual_hash)
    values ('d', 'image', 'unlabelled', 'v', 0, 'a.png', 1, 1, 8, 0), ('d', 'mask', 'test', 'v', 1, 'b.png', 1, 1, 8, 0);
insert into quarantine (dataset, split, source, blob, reason) values ('d', 'test', 'c.png', null, 'broken');
insert into dataset_versions (digest, dataset, parent, size) values ('pool', 'd', null, 1);
insert into dataset_version_items (version, slice, dataset, split, label) values ('pool', 'image', 'd', 'unlabelled', null);
insert into runs (id, recipe, dataset, seed, labelled, pool) values ('r', '{}', 'd', 1, 'pool', 'pool');
insert into run_events (run, kind, detail) values ('r', 'started', '{}');
insert into attempts (step, run, epoch, holder) values ('s', 'r', 1, '{}');
insert into attempt_errors (attempt, error) values (1, 'oh');
insert into steps (key, kind, identity, output, attempt) values ('s', 'train', '{}', '{}', 1);
insert into run_steps (run, step, round, seconds) values ('r', 's', 1, 1.5);
insert into checkpoints (digest, step, size_bytes) values ('net', 's', 1);
insert into label_versions (digest, dataset, slice, split, kind, mask, step, checkpoint, scores)
    values ('label', 'd', 'image', 'unlabelled', 'pseudo', 'mask', 's', 'net', '{}');
insert into gate_decisions (step, label, gate, kept, reason) values ('s', 'label', 'none', true, 'kept');
insert into evaluations (step, checkpoint, dataset, split, measures) values ('s', 'net', 'd', 'test', '{}');
insert into leases (name, epoch, holder, expires_at, note) values ('step/s', 1, '{}', 'infinity', '{}');
"""
"""At least one row for each table of the first version of the schema."""

REVIEW_ROWS = """
insert into reviews (id, run, dataset, round, parameters) values ('s', 'r', 'd', 1, '{}');
insert into review_assignments (review, slice, reader, dataset, split, label, purpose, place)
    values ('s', 'image', 'anna', 'd', 'unlabelled', 'label', 'reading', 0);
insert into review_answers (review, slice, reader, kind, label, made_at, source)
    values ('s', 'image', 'anna', 'accepted', 'label', now(), '1');
insert into review_verdicts (review, slice, kind, label, decided_by) values ('s', 'image', 'accepted', 'label', 'reader');
insert into review_closings (review, reason) values ('s', 'all done');
insert into review_set_aside (run, reader, source, reason, blob) values ('r', 'anna', '2', 'broken', null);
insert into review_cursors (run, reader, tool, cursor) values ('r', 'anna', 'folder', '1');
insert into review_desks (run, reader, place) values ('r', 'anna', '/desks/anna');
insert into review_requests (run) values ('r');
"""
"""And for each that the second version adds, and what the sixth adds to reviews."""

AUDIT_ROWS = """
insert into audit (number, at, who, via, address, action, target, detail, previous, hash)
    values (1, now(), 'ada', 'session', '::1', 'run.started', 'r', '{}', '', 'hash');
"""
"""And for the facts of the fourth."""

JOB_ROWS = """
insert into accounts (name, admin) values ('ada', true);
insert into jobs (id, kind, dataset, run, owner, wanted) values ('j', 'upload', 'd', null, 'ada', '{}');
insert into job_events (job, kind, detail) values ('j', 'queued', '{}');
"""
REGISTRY_ROWS = """
insert into models (dataset, name, run, checkpoint, who) values ('d', 'first', 'r', 'net', 'lea');
insert into model_stages (dataset, number, model, stage, who) values ('d', 1, 'first', 'champion', 'lea');
insert into model_promotions (dataset, number, grounds, reason) values ('d', 1, 'override', 'trust me');
"""
"""And for each that the sixth adds."""

CONSTRAINTS = """
select conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) from pg_constraint
where connamespace = 'public'::regnamespace and conrelid <> coalesce(to_regclass('alembic_version'), 0)
union all select indexdef from pg_indexes where schemaname = 'public' and tablename <> 'alembic_version'
union all select table_name || ' ' || column_name || ' ' || data_type || ' ' || is_nullable || coalesce(column_default, '')
    || is_identity from information_schema.columns where table_schema = 'public' and table_name <> 'alembic_version'
order by 1
"""


def test_migrations_give_the_schema_that_the_code_has(database: Database, url: str) -> None:
    with database.connection() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        migrated = connection.scalars(text(CONSTRAINTS)).all()
        connection.execute(text("drop schema public cascade"))
        connection.execute(text("create schema public"))
        metadata.create_all(connection)
        assert connection.scalars(text(CONSTRAINTS)).all() == migrated


@pytest.mark.parametrize(
    "revision", [script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()]
)
def test_old_rows_survive(revision: str, catalog_url: str) -> None:
    database = Database(lambda: catalog_url)
    database.transaction(lambda connection: upgrade(connection, "0001"))
    database.transaction(lambda connection: connection.execute(text(ROWS)))
    before = database.transaction(contents)
    assert all(before.values()), "every table has a row"
    database.transaction(lambda connection: upgrade(connection, revision))
    database.migrate()
    after = database.transaction(contents)
    assert before.pop("alembic_version") != after["alembic_version"]
    for table, rows in before.items():
        for row, kept in zip(rows, after[table], strict=True):
            assert row.items() <= kept.items()
    # What is summed up now is summed up of them as well.
    assert [(row["split"], row["slices"]) for row in after["slice_counts"]] == [
        ("test", 1),
        ("unlabelled", 1),
    ]
    assert [(row["run"], row["kind"]) for row in after["newest_events"]] == [("r", "started")]
    assert after["step_counts"] == [{"step": "s", "labels": 1, "gated": 1, "kept": 1}]
    database.close()


OUTPUTS_BY_NAME = """
insert into steps (key, kind, identity, output, attempt) values
    ('label', 'label', '{}', '{"digest": "x", "labels": [{"slice": "0a"}, {"slice": "0b"}], "compute_s": 1.5}', 1),
    ('gate', 'gate', '{}', '{"kept": {"digest": "x", "labels": [{"slice": "0a"}]}, "refused": ["0b"], "withdrawn": []}', 1),
    ('sample', 'sample', '{}', '{"groups": [["0c", "0a"], ["0b"]]}', 1),
    ('gold', 'draw_gold', '{}', '{"slices": ["0b", "0c"]}', 1);
insert into label_versions (digest, dataset, slice, split, kind, mask, step, checkpoint, scores) values
    ('empty', 'd', 'image', 'unlabelled', 'pseudo', 'mask', 'label', 'net', '{"area": 0.0}');
"""


def test_outputs_that_named_every_slice_become_counts(catalog_url: str) -> None:
    database = Database(lambda: catalog_url)
    database.transaction(lambda connection: upgrade(connection, "0011"))
    database.transaction(lambda connection: connection.execute(text(ROWS + OUTPUTS_BY_NAME)))
    database.migrate()
    with database.connection() as connection:
        rows = connection.execute(text("select key, kind, output from steps where key <> 's'"))
        outputs = {row.key: parsed(row.kind, row.output) for row in rows}
    assert outputs["label"] == PseudoLabels(digest="label", count=2, empty=1, compute_s=1.5)
    assert outputs["gate"] == Gated(digest="gate", kept=1, refused=1)
    order = SliceList(order=sha256(bytes([12, 10, 11])), first=0, size=3)
    assert outputs["sample"] == Groups(order=order, group_size=2)
    assert outputs["gold"] == SliceList(order=sha256(bytes([11, 12])), first=0, size=2)
    with pytest.raises(DBAPIError, match="facts are inserted, never changed"):
        database.transaction(lambda connection: connection.execute(text("update steps set kind = 'x'")))
    database.close()


def upgrade(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def contents(connection: Connection) -> dict[str, list[dict[str, object]]]:
    """Every row, by table, as PostgreSQL writes it in JSON."""
    tables = connection.scalars(text("select tablename from pg_tables where schemaname = 'public'")).all()
    return {
        table: list(connection.scalars(text(f"select to_jsonb(t) from {table} t order by to_jsonb(t)::text")))
        for table in tables
    }


def test_processes_that_migrate_at_once_do_not_disturb_each_other(catalog_url: str) -> None:
    code = (
        "import sys; from maskloom.platform.catalog.database import Database;"
        "database = Database(lambda: sys.argv[1]); sys.stdin.readline(); database.migrate(); database.close()"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, catalog_url],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    database = Database(lambda: catalog_url)
    assert set(database.transaction(contents)) == {*FACT_TABLES, *STATE_TABLES, "alembic_version"}
    database.close()


@pytest.mark.parametrize(
    "change", ["update {table} set {column} = {column}", "delete from {table}", "truncate {table} cascade"]
)
def test_facts_are_never_changed(change: str, database: Database) -> None:
    database.transaction(
        lambda connection: connection.execute(
            text(ROWS + REVIEW_ROWS + AUDIT_ROWS + JOB_ROWS + REGISTRY_ROWS)
        )
    )
    before = database.transaction(contents)
    for table in FACT_TABLES:
        statement = text(change.format(table=table, column=next(iter(before[table][0]))))
        with pytest.raises(DBAPIError, match="facts are inserted, never changed"):
            database.transaction(lambda connection, statement=statement: connection.execute(statement))
    assert database.transaction(contents) == before


@pytest.mark.parametrize("kind", ["pseudo", "accepted", "corrected"])
@pytest.mark.parametrize("split", ["test", "unlabelled"])
def test_a_test_slice_gets_expert_labels_only(kind: str, split: str, catalog_url: str) -> None:
    database = filled(catalog_url)
    label = (
        "insert into label_versions (digest, dataset, slice, split, kind, mask, step, checkpoint, scores) "
        f"values ('new', 'd', 'mask', '{split}', '{kind}', 'mask', 's', 'net', '{{}}')"
    )
    with pytest.raises(IntegrityError, match=r"test_slices_have_expert_labels_only|fk_label_versions"):
        database.transaction(lambda connection: connection.execute(text(label)))
    expert = label.replace(f"'{kind}'", "'expert'").replace("'unlabelled'", "'test'")
    database.transaction(lambda connection: connection.execute(text(expert)))
    database.close()


@pytest.mark.parametrize("split", ["test", "labelled", "unlabelled"])
def test_a_test_slice_never_enters_a_dataset_version(split: str, catalog_url: str) -> None:
    database = filled(catalog_url)
    item = (
        "insert into dataset_version_items (version, slice, dataset, split, label) "
        f"values ('pool', 'mask', 'd', '{split}', null)"
    )
    with pytest.raises(IntegrityError, match=r"test_slices_are_never_trained_on|fk_dataset_version_items"):
        database.transaction(lambda connection: connection.execute(text(item)))
    database.close()


def test_a_slice_keeps_its_split(catalog_url: str) -> None:
    database = filled(catalog_url)
    again = (
        "insert into slices (dataset, digest, split, volume, position, name, width, height, bits, perceptual_hash) "
        "values ('d', 'mask', 'unlabelled', 'v', 1, 'b.png', 1, 1, 8, 0)"
    )
    with pytest.raises(IntegrityError, match="pk_slices"):
        database.transaction(lambda connection: connection.execute(text(again)))
    database.close()


def filled(url: str) -> Database:
    database = Database(lambda: url)
    database.migrate()
    database.transaction(lambda connection: connection.execute(text(ROWS)))
    return database


@pytest.mark.parametrize("split", ["test", "unlabelled"])
def test_a_test_slice_is_never_reviewed(split: str, catalog_url: str) -> None:
    database = filled(catalog_url)
    assignment = (
        "insert into review_assignments (review, slice, reader, dataset, split, label, purpose, place) "
        f"values ('s', 'mask', 'anna', 'd', '{split}', 'label', 'reading', 0)"
    )
    opened = REVIEW_ROWS.strip().splitlines()[0]
    database.transaction(lambda connection: connection.execute(text(opened)))
    with pytest.raises(IntegrityError, match=r"test_slices_are_never_reviewed|fk_review_assignments"):
        database.transaction(lambda connection: connection.execute(text(assignment)))
    database.close()


@pytest.mark.parametrize(
    "promotion",
    [
        "('d', 1, 'first', null, null, null)",  # measured, but where?
        "('d', 1, 'better', 'first', null, null)",  # than what?
        "('d', 1, 'override', null, null, null)",  # why?
        "('d', 1, 'rollback', null, null, null)",  # from where?
        "('d', 2, 'override', null, 'trust me', null)",  # no model has become the champion
    ],
)
def test_no_promotion_without_what_it_rests_on(promotion: str, catalog_url: str) -> None:
    database = filled(catalog_url)
    models, stages, _ = REGISTRY_ROWS.strip().splitlines()
    statement = (
        "insert into model_promotions (dataset, number, grounds, before, reason, evaluation) values "
        + promotion
    )
    database.transaction(lambda connection: connection.execute(text(models + stages)))
    with pytest.raises(IntegrityError, match="model_promotions"):
        database.transaction(lambda connection: connection.execute(text(statement)))
    database.close()
