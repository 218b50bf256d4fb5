"""Accounts, users and daily counts of events for `benchmarks.evaluation`, made by PostgreSQL itself, and the statements
that evaluate everything in one pass, written by hand for PostgreSQL and for DuckDB."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from app.domain.matching import digest
from benchmarks.evaluation_rules import EVENTS, NAMES, Metric, Rule, Term
from benchmarks.report_seeds import ACCOUNT, ACCOUNTS, IDS, MEMBERSHIPS, SLICE, USER, USERS

__all__ = ["ACCOUNT", "FILL", "IDS", "duck", "everything", "scratch", "seed"]

FIRST = "$4::timestamptz - (h % 900 + 100) * interval '1 day'"
LAST = "$4::timestamptz - (h / 7 % 7776000) * interval '1 second'"
FACTS = f"""
insert into account_facts (workspace_id, account_id, status_since, users, events, first_seen_at, last_seen_at,
    joined_at, evaluated_at)
select $1, bench_id({ACCOUNT}, n), $4, 3, h / 5 % 100000, {FIRST}, {LAST}, {FIRST}, $4
from generate_series($2::bigint, $3::bigint) n
cross join lateral (select abs(hashint8extended(n, 1)) % 1000000007 as h) x
"""
ACTIVITY = f"""
insert into account_activity (workspace_id, account_id, events, first_seen_at, last_seen_at)
select $1, bench_id({ACCOUNT}, n), h / 5 % 100000, {FIRST}, {LAST}
from generate_series($2::bigint, $3::bigint) n
cross join lateral (select abs(hashint8extended(n, 1)) % 1000000007 as h) x
"""
USER_ACTIVITY = f"""
insert into user_activity (workspace_id, user_id, last_seen_at, sessions)
select $1, bench_id({USER}, n), $4::timestamptz - n % 7776000 * interval '1 second', n % 400
from generate_series($2::bigint * 3 - 2, $3::bigint * 3) n
"""
# Six of the twenty events per account, each on two days of the last sixty.
DAYS = f"""
insert into measure_days (workspace_id, record_id, measure_id, day, user_id, count)
select $1, bench_id({ACCOUNT}, n), m.id,
    (($4::timestamptz at time zone 'utc')::date - (j % 2 * 30 + (h / 23 + j) % 30)::int),
    bench_id({USER}, n * 3 - h % 3), 1 + (h / 29 + j) % 4
from generate_series($2::bigint, $3::bigint) n
cross join generate_series(0, 11) j
cross join lateral (select abs(hashint8extended(n, 2)) % 1000000007 as h) x
join bench_measures m on m.number = (h + j / 2 * 3) % {EVENTS}
"""
TOTALS = """
insert into measure_totals (workspace_id, record_id, measure_id, count, first_at, last_at)
select workspace_id, record_id, measure_id, sum(count), min(day), max(day) from measure_days
where workspace_id = $1 group by 1, 2, 3
"""
TABLES = (
    "accounts, account_facts, account_activity, users, memberships, user_activity, measure_days, measure_totals, "
    "segment_links, alerts"
)

NOBODY = "00000000-0000-0000-0000-000000000000"
TRAITS = {"industry": "text", "region": "text", "plan": "text", "seats": "numeric", "usage": "numeric"}


async def seed(driver: Any, workspace_id: UUID, accounts: int, now: Any) -> None:
    """So many accounts, three times as many users, and twelve daily counts for each account."""
    await driver.execute("set session_replication_role = replica")
    await driver.execute("set synchronous_commit = off")
    await driver.execute("create table if not exists bench_measures (number bigint primary key, id bigint)")
    for number, name in enumerate(NAMES):
        await driver.execute(
            "with made as (insert into measures (workspace_id, name, digest) values ($1, $2, $3) returning id) "
            "insert into bench_measures select $4, id from made",
            workspace_id,
            name,
            digest(name),
            number,
        )
    steps = (ACCOUNTS, FACTS, ACTIVITY, USERS, MEMBERSHIPS, USER_ACTIVITY, DAYS)
    for start in range(1, accounts + 1, SLICE):
        end = min(accounts, start + SLICE - 1)
        for step in steps:
            await driver.execute(step, workspace_id, start, end, now, timeout=900)
    await driver.execute(TOTALS, workspace_id, timeout=900)
    await driver.execute(f"vacuum (analyze) {TABLES}", timeout=900)
    await driver.execute("reset session_replication_role")


def _counts(terms: Sequence[Term], source: str, measure: str, ids: Mapping[int, int]) -> str:
    """The terms by record. Who did it, and on which days, is grouped before it is counted: that is much faster."""
    made: dict[str, list[str]] = {"events": [], "users": [], "days": []}
    for term in terms:
        kept = f"{measure} = {ids[term.event]} and day > today - {term.days}"
        what = "sum(count)" if term.count == "events" else "count(*)"
        made[term.count].append(f"coalesce({what} filter (where {kept}), 0) as {term.column}")

    def wanted(count: str) -> str:
        return ", ".join(sorted({str(ids[term.event]) for term in terms if term.count == count}))

    return f"""
        with recent as (select * from {source}),
        sums as (select record_id, {", ".join(made["events"])} from recent group by record_id),
        people as (
            select record_id, {", ".join(made["users"])} from (
                select record_id, {measure}, today, user_id, max(day) as day from recent
                where {measure} in ({wanted("users")}) and user_id <> '{NOBODY}' group by 1, 2, 3, 4
            ) u group by record_id
        ),
        dates as (
            select record_id, {", ".join(made["days"])} from (
                select record_id, {measure}, today, day from recent
                where {measure} in ({wanted("days")}) group by 1, 2, 3, 4
            ) d group by record_id
        )"""


def _answers(rules: Sequence[Rule], metrics: Sequence[Metric]) -> str:
    bits = " | ".join(f"(({rule.sql})::int::bigint << {ix})" for ix, rule in enumerate(rules))
    return f"{bits} as bits, " + ", ".join(f"{metric.sql} as {metric.slug}" for metric in metrics)


def everything(rules: Sequence[Rule], metrics: Sequence[Metric], terms: Sequence[Term], ids: Mapping[int, int]) -> str:
    """All rules and metrics of all accounts, for PostgreSQL; `$1` is the workspace, `$2` the moment."""
    source = """measure_days cross join (select ($2::timestamptz at time zone 'utc')::date as today) t
            where workspace_id = $1 and day > today - 60"""
    traits = ", ".join(f"(a.traits ->> '{name}')::{type_} as t_{name}" for name, type_ in TRAITS.items())
    return f"""{_counts(terms, source, "measure_id", ids)},
        known as (
            select a.id, f.last_seen_at, $2::timestamptz as moment, {traits}, {_empty(terms)}
            from accounts a join account_facts f on f.workspace_id = $1 and f.account_id = a.id {JOINED}
            where a.workspace_id = $1
        )
        select id, {_answers(rules, metrics)} from known
    """


def duck(rules: Sequence[Rule], metrics: Sequence[Metric], terms: Sequence[Term]) -> str:
    """The same of DuckDB's tables `known_accounts` and `days`."""
    source = "days cross join (select cast($moment as date) as today) t where day > today - 60"
    return f"""{_counts(terms, source, "measure", {n: n for n in range(EVENTS)})},
        known as (
            select a.*, cast($moment as timestamp) as moment, {_empty(terms)} from known_accounts a {JOINED}
        )
        select id, {_answers(rules, metrics)} from known
    """


JOINED = " ".join(f"left join {name} on {name}.record_id = a.id" for name in ("sums", "people", "dates"))


def _empty(terms: Sequence[Term]) -> str:
    return ", ".join(f"coalesce({term.column}, 0) as {term.column}" for term in terms)


def scratch(statement: str) -> str:
    """The statement with its answers stored, as whoever evaluates everything has to."""
    return f"create unlogged table bench_state as {statement}"


SEGMENTS = """
insert into segment_links (workspace_id, segment_id, record_id, source, added_at)
select $1, r.id, s.id, 'rule', $2 from bench_state s cross join bench_rules r
where r.is_segment and (s.bits >> r.number) & 1 = 1
"""
ALERTS = """
insert into alerts (workspace_id, id, indicator_id, indicator_version, account_id, state, why, fired_at)
select $1, gen_random_uuid(), r.id, 1, s.id, 'active', '[]', $2 from bench_state s cross join bench_rules r
where not r.is_segment and (s.bits >> r.number) & 1 = 1
"""
MEMBERS = """
update account_facts f set segments = m.segments from (
    select record_id, array_agg(segment_id order by segment_id) as segments from segment_links
    where workspace_id = $1 group by 1
) m where f.workspace_id = $1 and f.account_id = m.record_id
"""
FILL = (SEGMENTS, ALERTS, MEMBERS)
"""What rules had decided about everybody before the program began."""
