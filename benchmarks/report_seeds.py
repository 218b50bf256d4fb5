"""A million accounts and three million users for `benchmarks.reports`, made by PostgreSQL itself, and every index a
careful hand would give them."""

from typing import Any
from uuid import UUID

SLICE = 100_000
IDS = (
    "create function bench_id(base bigint, n bigint) returns uuid language sql immutable parallel safe as $$ select ("
    "lpad(to_hex(base + n), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8' || substr(md5('i' || n::text), 1, 15)"
    ")::uuid $$"
)
ACCOUNT, USER, MEMBER = 1_700_000_000_000, 1_710_000_000_000, 1_690_000_000_000
PLANS = "'{free,team,pro,enterprise}'::text[]"
REGIONS = "'{emea,amer,apac,latam,anz}'::text[]"
WORDS = "'{Northwind,Contoso,Fabrikam,Initech,Umbrella,Hooli,Globex,Acme,Stark,Wayne,Soylent,Vandelay}'::text[]"

MEMBERS = f"""
insert into members (workspace_id, id, email, name)
select $1, bench_id({MEMBER}, n), 'csm' || n || '@ours.example', 'Member ' || n from generate_series(1, 40) n
"""
ACCOUNTS = f"""
insert into accounts (workspace_id, id, external_id, name, traits, created_at)
select $1, bench_id({ACCOUNT}, n), 'acct-' || n, a.name, jsonb_build_object(
    'name', a.name, 'plan', ({PLANS})[1 + (h % 100 > 55)::int + (h % 100 > 80)::int + (h % 100 > 94)::int],
    'region', ({REGIONS})[1 + h / 7 % 5], 'industry', 'industry-' || h / 11 % 24, 'seats', h / 13 % 500,
    'usage', (h / 17 % 10000) / 100.0, 'health', h / 19 % 101, 'nps', h / 23 % 11, 'tag', 'tag-' || h / 29 % 10000,
    'source', 'source-' || h / 31 % 8, 'self_serve', h % 3 = 0,
    'contract_ends', to_char($4::timestamptz + (h / 37 % 730 - 200) * interval '1 day', 'YYYY-MM-DD')
), $4::timestamptz - (h % 1000) * interval '1 day' - n * interval '1 microsecond'
from generate_series($2::bigint, $3::bigint) n
cross join lateral (select ('x' || substr(md5('a' || n), 1, 7))::bit(28)::bigint as h) x
cross join lateral (select ({WORDS})[1 + h % 12] || ' ' || h / 5 % 100000 as name) a
"""
FACTS = f"""
insert into account_facts (workspace_id, account_id, status, mrr, users, events, first_seen_at, last_seen_at, csm_id,
    account_executive_id, role_holders, segments, owner_state, owner_source, owner_id, owner_external_id, owner_name,
    owner_email, owner_joined_at, owner_last_seen_at, owner_sessions, owner_since, renews_at, evaluated_at)
select $1, bench_id({ACCOUNT}, n), ('{{subscribed,trial,churned,ignored}}'::text[])[
        1 + (h % 100 > 70)::int + (h % 100 > 88)::int + (h % 100 > 97)::int],
    case when h % 10 > 0 then (h / 3 % 500000) / 100.0 end, 3, h / 5 % 100000,
    $4::timestamptz - (h % 900 + 30) * interval '1 day', $4::timestamptz - (h / 7 % 7776000) * interval '1 second',
    c.id, e.id, array[least(c.id, e.id), greatest(c.id, e.id)],
    array[bench_id({MEMBER}, 1000 + h % 5)] || case when h % 4 = 0 then array[bench_id({MEMBER}, 2000)] else '{{}}' end,
    'resolved', 'auto_first_user', bench_id({USER}, n * 3), 'user-' || n * 3, 'Owner ' || h % 100000,
    'owner' || n || '@customer' || h % 1000 || '.example', $4::timestamptz - (h % 800 + 3) * interval '1 day',
    case when h % 20 > 0 then $4::timestamptz - (h / 11 % 31536000) * interval '1 second'
        - h % 1000 * interval '1 microsecond' end,
    h / 13 % 400, $4::timestamptz - (h % 800) * interval '1 day', $4::timestamptz + (h / 17 % 500) * interval '1 day',
    $4::timestamptz
from generate_series($2::bigint, $3::bigint) n
cross join lateral (select ('x' || substr(md5('f' || n), 1, 7))::bit(28)::bigint as h) x
cross join lateral (select bench_id({MEMBER}, 1 + h % 40) as id) c
cross join lateral (select bench_id({MEMBER}, 1 + h / 41 % 40) as id) e
"""
USERS = f"""
insert into users (workspace_id, id, external_id, traits, created_at)
select $1, bench_id({USER}, n), 'user-' || n,
    jsonb_build_object('name', 'User ' || n, 'email', 'user' || n || '@customer.example', 'role', 'role-' || n % 9), $4
from generate_series($2::bigint * 3 - 2, $3::bigint * 3) n
"""
MEMBERSHIPS = f"""
insert into memberships (workspace_id, account_id, user_id, linked, changed_at, first_linked_at)
select $1, bench_id({ACCOUNT}, (n + 2) / 3), bench_id({USER}, n), true, $4, $4
from generate_series($2::bigint * 3 - 2, $3::bigint * 3) n
"""
ACTIVITY = f"""
insert into user_activity (workspace_id, user_id, last_seen_at, sessions)
select $1, bench_id({USER}, n), $4::timestamptz - n % 7776000 * interval '1 second', n % 400
from generate_series($2::bigint * 3 - 2, $3::bigint * 3) n
"""
# What nobody could keep for every customer's traits; here the SQL is to be as fast as SQL can be.
INDEXES = (
    "create index on accounts using gin (traits jsonb_path_ops)",
    *(
        f"create index on accounts (workspace_id, (steward_number(traits -> '{key}')), id)"
        for key in ("seats", "usage", "health", "nps")
    ),
    *(
        f"create index on accounts (workspace_id, (lower(traits ->> '{key}')), id)"
        for key in ("plan", "region", "tag", "contract_ends")
    ),
    *(
        f"create index on account_facts (workspace_id, {column}, account_id)"
        for column in ("csm_id", "owner_sessions", "last_seen_at", "renews_at", "status, mrr desc")
    ),
    "create index on account_facts using gin (segments)",
    "create index on account_facts (workspace_id, lower(owner_email), account_id)",
    "create index on accounts (workspace_id, lower(name), id)",
)


async def seed(driver: Any, workspace_id: UUID, accounts: int, now: Any) -> None:
    """So many accounts, and three times as many users. Foreign keys are not looked up: everything is there."""
    await driver.execute("set session_replication_role = replica")
    await driver.execute("set synchronous_commit = off")
    await driver.execute(MEMBERS, workspace_id)
    for start in range(1, accounts + 1, SLICE):
        end = min(accounts, start + SLICE - 1)
        for statement in (ACCOUNTS, FACTS, USERS, MEMBERSHIPS, ACTIVITY):
            await driver.execute(statement, workspace_id, start, end, now, timeout=600)
    await driver.execute("reset session_replication_role")


async def index(driver: Any) -> None:
    """Every index, and statistics."""
    await driver.execute("set maintenance_work_mem = '512MB'")
    for statement in INDEXES:
        await driver.execute(statement, timeout=900)
    await driver.execute("vacuum (analyze) accounts, account_facts, users, memberships, user_activity", timeout=900)
    await driver.execute("checkpoint", timeout=600)
