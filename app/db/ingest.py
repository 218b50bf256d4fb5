"""Writes a folded batch: two statements over arrays, on the driver's own connection, under the door's transaction.

JSON travels as text: the driver would call back into Python for every element of an array of jsonb.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import orjson

from app.db.base import Session, raw
from app.domain.folding import Fold, Party
from app.domain.ids import new_id


@dataclass(frozen=True, slots=True)
class Receipts:
    """Which message hashes were new, and what had been stored for the others; and the trait that names owners."""

    fresh: frozenset[UUID]
    seen: dict[UUID, int]
    owner_trait: str | None


@dataclass(frozen=True, slots=True)
class Written:
    """The ids behind the external ids of a batch."""

    accounts: dict[str, UUID]
    users: dict[str, UUID]


# A twin that is being written by another transaction makes this wait until that one is decided. The lock is shared by
# all flushes and taken whole by the deletion of the workspace: after that, new accounts and users have no parent.
_RECEIVE = """
with fresh as (
    insert into message_receipts (workspace_id, message_hash, body_hash, received_at)
    select $1, hash, body, $4 from unnest($2::uuid[], $3::bigint[]) as t (hash, body)
    on conflict do nothing
    returning message_hash
)
select
    pg_advisory_xact_lock_shared(hashtextextended($1::uuid::text, 0)),
    (select coalesce(array_agg(message_hash), '{}') from fresh) as fresh,
    (select trait_keys[1] from trait_mappings where workspace_id = $1 and field = 'owner') as owner_trait
"""

_SEEN = (
    "select message_hash, body_hash from message_receipts where workspace_id = $1 and message_hash = any($2::uuid[])"
)

# Parties are first looked up (one index probe each, whatever the statistics say), then only the new ones and those
# with traits are written. An insert that loses the race for a new external id becomes an update of the winner's row,
# so that the id that comes back is always the real one.
_PARTY = """
{p}_in as materialized (
    select * from unnest({ext}::text[], {ids}::uuid[], {traits}::text[], {stamps}::text[])
    with ordinality as t (ext, new_id, traits, stamps, ix)
),
{p}_known as materialized (
    select i.ix, x.id from {p}_in i
    cross join lateral (select id from {table} where workspace_id = $1 and external_id = i.ext limit 1) x
),
{p}_written as (
    insert into {table} as x (workspace_id, id, external_id, traits, trait_stamps, created_at, updated_at)
    select $1, i.new_id, i.ext, coalesce(i.traits, '{{}}')::jsonb, coalesce(i.stamps, '{{}}')::jsonb, $2, $2
    from {p}_in i left join {p}_known k using (ix)
    where k.id is null or i.stamps is not null
    order by i.ext
    on conflict (workspace_id, external_id) do update set
        traits = steward_merged(x.traits, x.trait_stamps, excluded.traits, excluded.trait_stamps),
        trait_stamps = x.trait_stamps || steward_winning(x.trait_stamps, excluded.trait_stamps),
        updated_at = excluded.updated_at
    returning x.id, x.external_id
),
{p} as materialized (
    select i.ix, i.ext, coalesce(k.id, w.id) as id, k.id is null as is_new
    from {p}_in i left join {p}_known k using (ix) left join {p}_written w on w.external_id = i.ext
)"""

_APPLY = (
    "with "  # noqa: S608 - the only text put together here is written above
    + _PARTY.format(p="acc", table="accounts", ext="$3", ids="$4", traits="$5", stamps="$6")
    + ","
    + _PARTY.format(p="usr", table="users", ext="$7", ids="$8", traits="$9", stamps="$10")
    + """,
facts as (
    insert into account_facts (workspace_id, account_id)
    select $1, id from acc where is_new order by id
    on conflict do nothing
),
account_moves as (
    insert into account_activity as x (workspace_id, account_id, first_seen_at, last_seen_at, events)
    select $1, acc.id, t.first_at, t.last_at, t.events
    from unnest($11::bigint[], $12::timestamptz[], $13::timestamptz[], $14::bigint[])
        as t (ix, first_at, last_at, events)
    join acc using (ix)
    order by acc.id
    on conflict (workspace_id, account_id) do update set
        first_seen_at = least(x.first_seen_at, excluded.first_seen_at),
        last_seen_at = greatest(x.last_seen_at, excluded.last_seen_at),
        events = x.events + excluded.events
),
new_days as (
    insert into user_days (workspace_id, user_id, day)
    select $1, usr.id, t.day
    from unnest($15::bigint[], $16::date[]) as t (ix, day) join usr using (ix)
    order by usr.id, t.day
    on conflict do nothing
    returning user_id
),
sessions as (select user_id, count(*) as n from new_days group by user_id),
user_moves as (
    insert into user_activity as x
        (workspace_id, user_id, first_seen_at, last_seen_at, sessions, last_received_at, last_sent_at)
    select $1, usr.id, t.first_at, t.last_at, coalesce(s.n, 0), t.received_at, t.sent_at
    from unnest($17::bigint[], $18::timestamptz[], $19::timestamptz[], $20::timestamptz[], $21::timestamptz[])
        as t (ix, first_at, last_at, received_at, sent_at)
    join usr using (ix) left join sessions s on s.user_id = usr.id
    order by usr.id
    on conflict (workspace_id, user_id) do update set
        first_seen_at = least(x.first_seen_at, excluded.first_seen_at),
        last_seen_at = greatest(x.last_seen_at, excluded.last_seen_at),
        sessions = x.sessions + excluded.sessions,
        last_received_at = greatest(x.last_received_at, excluded.last_received_at),
        last_sent_at = greatest(x.last_sent_at, excluded.last_sent_at)
),
links as (
    insert into memberships as x (workspace_id, account_id, user_id, linked, changed_at, first_linked_at)
    select $1, acc.id, usr.id, t.linked, t.changed_at, t.first_at
    from unnest($22::bigint[], $23::bigint[], $24::boolean[], $25::timestamptz[], $26::timestamptz[])
        as t (acc_ix, usr_ix, linked, changed_at, first_at)
    join acc on acc.ix = t.acc_ix join usr on usr.ix = t.usr_ix
    left join lateral (
        select m.linked, m.changed_at, m.first_linked_at
        from memberships m
        where m.workspace_id = $1 and m.account_id = acc.id and m.user_id = usr.id
        limit 1
    ) x on true
    -- Memberships only ever move one way, so what an old row outranks it will outrank for good: not even locked.
    where x.linked is null
        or (t.changed_at, not t.linked) > (x.changed_at, not x.linked)
        or t.first_at < x.first_linked_at
        or (x.first_linked_at is null and t.first_at is not null)
    order by acc.id, usr.id
    on conflict (workspace_id, account_id, user_id) do update set
        linked = case
            when (excluded.changed_at, not excluded.linked) > (x.changed_at, not x.linked) then excluded.linked
            else x.linked
        end,
        changed_at = greatest(x.changed_at, excluded.changed_at),
        first_linked_at = least(x.first_linked_at, excluded.first_linked_at)
    where (excluded.changed_at, not excluded.linked) > (x.changed_at, not x.linked)
        or excluded.first_linked_at < x.first_linked_at
        or (x.first_linked_at is null and excluded.first_linked_at is not null)
),
claims as (
    insert into owner_claims (workspace_id, account_id, trait_key, stamp, value)
    select $1, acc.id, $27::text, t.stamp, t.value
    from unnest($28::bigint[], $29::numeric[], $30::text[]) as t (ix, stamp, value) join acc using (ix)
    order by acc.id, t.stamp
    on conflict do nothing
),
happened as (
    insert into events (workspace_id, occurred_at, id, account_id, user_id, name, properties, received_at)
    select $1, t.at, t.id, acc.id, usr.id, t.name, t.properties::jsonb, $2
    from unnest($31::uuid[], $32::timestamptz[], $33::text[], $34::bigint[], $35::bigint[], $36::text[])
        as t (id, at, name, acc_ix, usr_ix, properties)
    left join acc on acc.ix = t.acc_ix left join usr on usr.ix = t.usr_ix
),
dirty as (
    insert into dirty_accounts (workspace_id, account_id)
    select $1, id from acc
    union
    select $1, f.account_id from account_facts f
    where f.workspace_id = $1 and f.owner_id = any(array(select id from usr))
)
select
    (select coalesce(array_agg(id order by ix), '{}') from acc) as accounts,
    (select coalesce(array_agg(id order by ix), '{}') from usr) as users
"""
)


async def receive(db: Session, workspace_id: UUID, hashes: dict[UUID, int], now: datetime) -> Receipts:
    """Keep the message hashes not seen before; `hashes` maps each to the hash of its body. Repeats are told apart."""
    driver = await raw(db)
    ordered = sorted(hashes)
    row = await driver.fetchrow(_RECEIVE, workspace_id, ordered, [hashes[key] for key in ordered], now)
    fresh = frozenset(UUID(bytes=key.bytes) for key in row["fresh"])
    seen: dict[UUID, int] = {}
    if len(fresh) < len(ordered):
        old = await driver.fetch(_SEEN, workspace_id, [key for key in ordered if key not in fresh])
        seen = {UUID(bytes=found["message_hash"].bytes): found["body_hash"] for found in old}
    return Receipts(fresh, seen, row["owner_trait"])


def _parties(parties: dict[str, Party]) -> tuple[Sequence[object], ...]:
    rows = parties.values()
    return (
        list(parties),
        [new_id() for _ in parties],
        [orjson.dumps(party.traits).decode() if party.stamps else None for party in rows],
        [json.dumps(party.stamps) if party.stamps else None for party in rows],
    )


async def apply(db: Session, workspace_id: UUID, batch: Fold, now: datetime) -> Written:
    """Store a folded batch and mark every account it touches, in one statement."""
    driver = await raw(db)
    moved_accounts = [party for party in batch.accounts.values() if party.events]
    moved_users = [p for p in batch.users.values() if p.last_seen_at or p.last_received_at or p.last_sent_at]
    days = sorted(batch.days)
    row = await driver.fetchrow(
        _APPLY,
        workspace_id,
        now,
        *_parties(batch.accounts),
        *_parties(batch.users),
        [p.ix for p in moved_accounts],
        [p.first_seen_at for p in moved_accounts],
        [p.last_seen_at for p in moved_accounts],
        [p.events for p in moved_accounts],
        [ix for ix, _ in days],
        [day for _, day in days],
        [p.ix for p in moved_users],
        [p.first_seen_at for p in moved_users],
        [p.last_seen_at for p in moved_users],
        [p.last_received_at for p in moved_users],
        [p.last_sent_at for p in moved_users],
        [account for account, _ in batch.links],
        [user for _, user in batch.links],
        [link.linked for link in batch.links.values()],
        [link.changed_at for link in batch.links.values()],
        [link.first_linked_at for link in batch.links.values()],
        batch.owner_trait,
        [ix for ix, _ in batch.claims],
        [mark for _, mark in batch.claims],
        list(batch.claims.values()),
        [event.id for event in batch.events],
        [event.at for event in batch.events],
        [event.name for event in batch.events],
        [event.account for event in batch.events],
        [event.user for event in batch.events],
        [event.properties.decode() for event in batch.events],
    )
    return Written(
        accounts=dict(zip(batch.accounts, row["accounts"], strict=True)),
        users=dict(zip(batch.users, row["users"], strict=True)),
    )
