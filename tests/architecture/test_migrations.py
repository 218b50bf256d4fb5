"""Migrations are one staircase that can be walked down again, make what the models say, and keep nobody waiting."""

import asyncio
import io
import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_mock_engine, make_url

from app.domain.models import Base

ROOT = Path(__file__).parents[2]
SQUAWK = Path(sys.executable).with_name("squawk")
COLUMN_HOLDS = 32  # alembic_version.version_num

# What we let pass in every migration, and why.
ACCEPTED = {
    "prefer-bigint-over-int": "attempts, versions and HTTP statuses are small by nature; what grows is bigint",
    "prefer-bigint-over-smallint": "a lane is one of four",
    "prefer-text-field": "the one varchar is alembic's own version column",
    "require-statement-timeout": "an index built concurrently may take as long as it takes; writers are protected "
    "by the lock timeout, which every migration has",
}


def config(url=None, **options):
    made = Config(ROOT / "alembic.ini", **options)
    if url:
        made.attributes["url"] = url
    return made


STAIRS = list(reversed(list(ScriptDirectory.from_config(config()).walk_revisions())))


async def _with(url, work):
    connection = await asyncpg.connect(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))
    try:
        return await work(connection)
    finally:
        await connection.close()


def ask(url, query):
    """The rows of a query, as tuples."""

    async def work(connection):
        return [tuple(row) for row in await connection.fetch(query)]

    return asyncio.run(_with(url, work))


def say(url, *statements):
    """Run statements one by one, each its own transaction."""

    async def work(connection):
        for statement in statements:
            await connection.execute(statement)

    asyncio.run(_with(url, work))


@pytest.fixture
def empty(database_url):
    """An empty database beside the one of the tests, by the URL an operator would write."""
    name = f"stairs_{uuid4().hex}"
    say(database_url, f"create database {name}")
    yield make_url(database_url).set(database=name, drivername="postgresql").render_as_string(hide_password=False)
    say(database_url, f"drop database {name} with (force)")


TABLES = """
    select c.oid, c.relname from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
      and c.relname <> 'alembic_version'
"""
COLUMNS = f"""
    select t.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated,
           regexp_replace(coalesce(pg_get_expr(d.adbin, d.adrelid), ''), '[()]', '', 'g')
    from ({TABLES}) t join pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
    left join pg_attrdef d on d.adrelid = t.oid and d.adnum = a.attnum order by 1, 2
"""
CONSTRAINTS = f"""
    select t.relname, c.conname, pg_get_constraintdef(c.oid)
    from ({TABLES}) t join pg_constraint c on c.conrelid = t.oid and c.contype <> 'n' order by 1, 2
"""
INDEXES = f"""
    select t.relname, i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid)
    from ({TABLES}) t join pg_index i on i.indrelid = t.oid order by 1, 2
"""
STORAGE = f"""
    select t.relname, c.relkind, coalesce((select array_agg(o order by o) from unnest(c.reloptions) o), '{{}}')::text
    from ({TABLES}) t join pg_class c on c.oid = t.oid order by 1
"""
WALLS = """
    select c.relname, c.relrowsecurity, c.relforcerowsecurity, p.polname::text, pg_get_expr(p.polqual, c.oid)
    from pg_class c left join pg_policy p on p.polrelid = c.oid
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
      and c.relname <> 'alembic_version'
    order by 1, 4
"""
FUNCTIONS = """
    select p.oid::regprocedure::text, pg_get_functiondef(p.oid) from pg_proc p
    where p.pronamespace = 'public'::regnamespace order by 1
"""
SHAPE = {"columns": COLUMNS, "constraints": CONSTRAINTS, "indexes": INDEXES, "storage": STORAGE}


def shape(url, **more):
    return {name: ask(url, query) for name, query in {**SHAPE, **more}.items()}


def offline(revision):
    """The SQL of one step, as an operator would get it."""
    before = revision.down_revision or "base"
    said = io.StringIO()
    command.upgrade(config(output_buffer=said), f"{before}:{revision.revision}", sql=True)
    return said.getvalue()


def complaints(sql):
    """What squawk says about a migration: (rule, message)."""
    done = subprocess.run(
        [SQUAWK, "--reporter", "json", "--pg-version", "15", "--exclude", ",".join(ACCEPTED)],
        input=sql,
        capture_output=True,
        text=True,
        check=False,
    )
    return [(one["rule_name"], one["message"]) for one in json.loads(done.stdout or "[]")]


def test_there_is_one_way_up():
    heads = ScriptDirectory.from_config(config()).get_heads()
    assert heads == [(ROOT / "migrations" / "HEAD").read_text().strip()]
    assert (ROOT / "migrations" / "HEAD").read_text().count("\n") == 1


@pytest.mark.parametrize("revision", STAIRS, ids=lambda revision: revision.revision)
def test_a_migration_says_what_it_is(revision):
    assert revision.revision == Path(revision.path).stem
    assert re.fullmatch(r"\d{4}_[a-z0-9_]+", revision.revision)
    assert len(revision.revision) <= COLUMN_HOLDS
    assert re.search(r"^Phase: (expand|backfill|contract)\. \S", revision.module.__doc__, re.MULTILINE)


def test_the_numbers_have_no_gaps():
    assert [int(revision.revision[:4]) for revision in STAIRS] == list(range(1, len(STAIRS) + 1))


@pytest.mark.parametrize("revision", STAIRS, ids=lambda revision: revision.revision)
def test_a_migration_keeps_nobody_waiting(revision):
    sql = offline(revision)
    assert sql.startswith("set lock_timeout = ")
    assert complaints(sql) == []


def test_a_careless_migration_is_noticed():
    sql = "set lock_timeout = '2s'; create index on accounts (workspace_id); alter table accounts add unique (name);"
    assert {rule for rule, _ in complaints(sql)} >= {
        "require-concurrent-index-creation",
        "disallowed-unique-constraint",
    }


def test_up_down_and_up_again(empty):
    """On the way down the schema is at every step what it was on the way up."""
    seen = [shape(empty, walls=WALLS, functions=FUNCTIONS)]
    for revision in STAIRS:
        command.upgrade(config(empty), revision.revision)
        seen.append(shape(empty, walls=WALLS, functions=FUNCTIONS))
    top = seen.pop()

    for revision in reversed(STAIRS):
        command.downgrade(config(empty), revision.down_revision or "base")
        assert shape(empty, walls=WALLS, functions=FUNCTIONS) == seen.pop(), f"after leaving {revision.revision}"
    command.upgrade(config(empty), "head")

    assert shape(empty, walls=WALLS, functions=FUNCTIONS) == top


def test_kept_dates_beyond_the_calendar_are_put_right(empty):
    """And nothing else is: what is missing stays so."""
    command.upgrade(config(empty), "0023_audit")
    say(
        empty,
        "insert into workspaces (id, slug, name) values (gen_random_uuid(), 'w', 'W')",
        "insert into accounts (workspace_id, id, external_id) select id, gen_random_uuid(), 'a' from workspaces",
        "insert into account_facts (workspace_id, account_id, renews_at, churned_at, joined_at) select workspace_id, "
        "id, '10000-01-01 09:59:59+00', '0001-12-31 14:00:00+00 BC', '2026-01-01 00:00:00+00' from accounts",
    )

    command.upgrade(config(empty), "0024_instants")

    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    found = ask(empty, "select renews_at, churned_at, joined_at, trial_ends_at from account_facts")
    assert found == [(last, first, datetime(2026, 1, 1, tzinfo=UTC), None)]


def test_alembic_finds_nothing_to_migrate(database_url):
    command.check(config(database_url))


def test_migrations_make_what_the_models_say(database_url, empty):
    """Stricter than alembic's own comparison: checks, defaults, generated columns and storage too."""
    statements = []

    def note(ddl, *_, **__):
        statements.append(str(ddl.compile(dialect=engine.dialect)))

    engine = create_mock_engine("postgresql+asyncpg://", note)
    Base.metadata.create_all(engine, checkfirst=False)
    say(empty, *statements)

    migrated, modelled = shape(database_url), shape(empty)

    for part in SHAPE:
        assert set(modelled[part]) ^ set(migrated[part]) == set(), part
