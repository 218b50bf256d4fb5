"""Habits no linter knows: who may open a transaction, whose rows a query reads, where settings are made."""

import ast
import re
from pathlib import Path
from textwrap import dedent

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "app").rglob("*.py"))
SETTINGS_MADE_BY = ("app/main.py", "app/cli/", "app/workers/main.py")
ENVIRONMENT_READ_BY = {
    "app/cli/family.py": "hands its own environment on to the processes it starts",
    "app/embedded/__main__.py": "hands its own environment on to the command it runs",
    "app/embedded/postgres.py": "keeps the caller's PG* and locale variables away from the server",
    "app/workers/faults.py": "crash points of the fault campaign; not a setting",
}
TRANSACTIONS_OPENED_BY = {
    "app/db/base.py": "the one way into a transaction",
    "app/db/condition.py": "looks at a database from outside, before it has a schema",
    "app/db/replica/store.py": "DuckDB's own transactions, in the memory of this process",
    "app/db/schema.py": "asks as the owner which migration the database is at, for readiness",
}
ENDS = {"begin", "close", "commit", "invalidate", "rollback"}
OPENS = {
    "AsyncSession",
    "async_sessionmaker",
    "create_async_engine",
    "frozen_transaction",
    "open_transaction",
    "pump_transaction",
    "transaction",
}
WAITS = {"sleep", "outbound", "to_thread", "open_connection", "read_text", "write_text"}

# What a query may take in the workspace's place, because it names the workspace itself.
CARRIERS = {"ApiKey", "Caller", "Lease"}
UNSCOPED = {
    "app/db/base.py:unveiled": "sees more of the same workspace, and no other one",
    "app/db/base.py:veiled": "sees less of the same workspace",
    "app/db/account_changes.py:trim": "housekeeping of the whole log",
    "app/db/audit.py:workspaces": "housekeeping of every workspace's log",
    "app/db/hot_facts.py:forget": "housekeeping of all workspaces",
    "app/db/record_marks.py:workspaces_with_work": "the pump asks whose users and organizations are due",
    "app/db/inbox.py:depth_of_all": "metrics count what waits in every inbox",
    "app/db/inbox.py:workspaces_with_work": "the pump asks whose messages are due",
    "app/db/jobs/claim.py:claim": "the pump works for every workspace; the claim names those it takes from",
    "app/db/jobs/claim.py:workspaces_with_work": "the pump asks whose work is due",
    "app/db/jobs/sweep.py:spent": "the pump frees what dead workers held, whoever's it was",
    "app/db/jobs/sweep.py:sweep": "the pump frees what dead workers held, whoever's it was",
    "app/db/jobs/twins.py:past_new_twins": "runs again a statement that named its rows",
    "app/db/jobs/upkeep.py:depths": "metrics count the whole queue",
    "app/db/jobs/upkeep.py:purge": "housekeeping of the whole queue",
    "app/db/keys.py:grant_of": "finds the workspace behind a key",
    "app/db/lookups.py:whose": "finds the workspace behind a session, an invitation or an address",
    "app/db/maintenance.py:analyse_young_tables": "tables, not rows",
    "app/db/maintenance.py:ensure_event_partitions": "tables, not rows",
    "app/db/maintenance.py:take_turn": "a lock, not rows",
    "app/db/marks.py:workspaces_with_work": "the pump asks whose accounts are due",
    "app/db/recounts.py:uncounted": "housekeeping asks which workspaces hold events of an old release",
    "app/db/rejections.py:workspaces": "housekeeping asks whose lists to look at",
    "app/db/retention.py:drop_month": "the installation's limit, for every workspace",
    "app/db/retention.py:forget_receipts": "housekeeping of the receipts of all workspaces",
    "app/db/retention.py:limited_workspaces": "housekeeping asks which workspaces limit what they keep",
    "app/db/retention.py:receipt_pages": "pages, not rows",
    "app/db/retention.py:trim_default": "the installation's limit, for every workspace",
    "app/db/trait_history.py:pages": "pages, not rows",
    "app/db/trait_history.py:thin": "housekeeping of the history of all workspaces",
    "app/db/workspaces.py:id_by_slug": "the command line knows a workspace by its short name",
}


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def tree(path):
    return ast.parse(path.read_text(), str(path))


def in_rooms(*rooms):
    return [path for path in MODULES if path.relative_to(ROOT / "app").parts[0] in rooms]


def called(node):
    """The last name of what is called: `commit` in `db.commit()`, else an empty string."""
    function = node.func if isinstance(node, ast.Call) else None
    return getattr(function, "attr", getattr(function, "id", ""))


def ended_transactions(code):
    return [call for node in ast.walk(code) if (call := called(node)) in ENDS | OPENS]


def waits_inside_transactions(code):
    """Names of what takes long, inside `async with …transaction(…)`."""
    held = [
        node
        for node in ast.walk(code)
        if isinstance(node, ast.AsyncWith)
        and any(called(item.context_expr).endswith("transaction") for item in node.items)
    ]
    inside = [inner for block in held for line in block.body for inner in ast.walk(line)]
    names = [getattr(node, "attr", getattr(node, "id", "")) for node in inside]
    return sorted(WAITS & set(names))


def unscoped_queries(code):
    """Public functions that take a session, but neither the workspace next nor something that names it."""
    found = []
    for node in code.body:
        if not isinstance(node, ast.AsyncFunctionDef) or node.name.startswith("_"):
            continue
        arguments = [*node.args.posonlyargs, *node.args.args]
        if not arguments or arguments[0].arg != "db":
            continue
        second = arguments[1] if len(arguments) > 1 else None
        types = {part.id for part in ast.walk(second) if isinstance(part, ast.Name)} if second else set()
        if second is None or (second.arg != "workspace_id" and not types & CARRIERS):
            found.append(node.name)
    return found


def stars(text):
    """Places that take whatever columns a table has today."""
    return re.findall(r"select \*\s+from (?!unnest)|returning (?:\w+\.)?\*", text, re.IGNORECASE)


def uses(code, *names):
    return any(
        getattr(node, "attr", getattr(node, "id", getattr(node, "name", ""))) in names for node in ast.walk(code)
    )


def snippet(text):
    return ast.parse(dedent(text))


def test_every_module_says_why_it_exists():
    silent = [name_of(path) for path in MODULES if not ast.get_docstring(tree(path))]
    assert not silent, f"open these with one sentence: {silent}"


@pytest.mark.parametrize("path", in_rooms("services", "db"), ids=name_of)
def test_services_and_queries_leave_the_transaction_to_the_door(path):
    if name_of(path) not in TRANSACTIONS_OPENED_BY:
        assert not ended_transactions(tree(path))


@pytest.mark.parametrize("path", in_rooms("api", "workers", "cli", "main.py"), ids=name_of)
def test_nobody_waits_for_the_world_inside_a_transaction(path):
    assert not waits_inside_transactions(tree(path))


@pytest.mark.parametrize("path", in_rooms("services"), ids=name_of)
def test_services_never_sleep(path):
    assert not uses(tree(path), "sleep", "to_thread")


def test_every_query_names_its_workspace():
    found = {f"{name_of(path)}:{name}" for path in in_rooms("db") for name in unscoped_queries(tree(path))}
    assert sorted(found - UNSCOPED.keys()) == []
    assert sorted(UNSCOPED.keys() - found) == [], "these are no exceptions any more"


def test_queries_name_their_columns():
    """A star makes every pooled connection fail once when a migration adds a column."""
    starred = [name_of(path) for path in in_rooms("db") if stars(path.read_text())]
    assert starred == []


def test_only_the_bell_rings():
    ringing = [name_of(path) for path in MODULES if uses(tree(path), "enqueue_job", "create_pool")]
    assert ringing == ["app/workers/bell.py"]


def test_settings_are_made_at_the_doors_and_handed_on():
    makers = [name_of(path) for path in MODULES if any(called(node) == "Settings" for node in ast.walk(tree(path)))]
    assert [name for name in makers if not name.startswith(SETTINGS_MADE_BY)] == []


def test_the_environment_is_read_in_one_place():
    readers = {name_of(path) for path in MODULES if uses(tree(path), "environ", "getenv")}
    assert readers <= ENVIRONMENT_READ_BY.keys()


class TestTheRulesAreSeenToFail:
    def test_a_commit(self):
        assert ended_transactions(snippet("async def record(db):\n    await db.commit()")) == ["commit"]

    def test_a_session_of_ones_own(self):
        assert ended_transactions(snippet("async def record(d, w):\n    async with d.transaction(w): ...")) == [
            "transaction"
        ]

    def test_a_call_inside_a_transaction(self):
        code = """
            async def deliver(rt):
                async with rt.transaction(1) as db:
                    await rt.outbound.post("x")
        """
        assert waits_inside_transactions(snippet(code)) == ["outbound"]

    def test_a_query_over_all_workspaces(self):
        code = """
            async def all_accounts(db: Session, *, limit: int): ...
            async def right(db: Session, workspace_id: UUID): ...
            async def also_right(db: Session, lease: Lease): ...
        """
        assert unscoped_queries(snippet(code)) == ["all_accounts"]

    def test_a_star(self):
        assert stars("select * from accounts")
        assert stars("insert into a values (1) returning a.*")
        assert not stars("select * from unnest($1::text[])")

    def test_a_second_bell(self):
        assert uses(snippet("await redis.enqueue_job('x')"), "enqueue_job")
