"""Writes a folded batch: three statements, on the driver's own connection, under the door's transaction.

Rows travel as one JSON text per table: an array per column would cost more to encode than to store.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from app.db.base import Session, raw
from app.domain import ids
from app.domain.folding import Fold, Party


@dataclass(frozen=True, slots=True)
class Receipts:
    """The message hashes taken before, with the hash of the body each had; and what shapes the rest of the work.

    `owner_trait` names owners; `erasures` is 0 where nobody was ever deleted, and moves when somebody is.
    """

    seen: dict[str, int]
    owner_trait: str | None
    erasures: int


# A twin that is being written by another transaction makes this wait until that one is decided. The lock is shared by
# all flushes and taken whole by the deletion of the workspace: after that, new accounts and users have no parent.
_RECEIVE = """
with incoming as materialized (select hash, body from json_to_recordset($2::json) as t (hash uuid, body bigint)),
fresh as (
    insert into message_receipts (workspace_id, message_hash, body_hash, received_at)
    select $1, hash, body, $3 from incoming order by hash
    on conflict do nothing
    returning message_hash
)
select
    pg_advisory_xact_lock_shared(hashtextextended($1::uuid::text, 0)),
    array(select hash from incoming where hash not in (select message_hash from fresh)) as repeated,
    (select trait_keys[1] from trait_mappings where workspace_id = $1 and field = 'owner') as owner_trait,
    (select erasures from workspaces where id = $1) as erasures
"""

_SEEN = (
    "select message_hash, body_hash from message_receipts where workspace_id = $1 and message_hash = any($2::uuid[])"
)

# Parties are first looked up (one index probe each, whatever the statistics say), then only the new ones and those
# with traits are written. An insert that loses the race for a new external id becomes an update of the winner's row,
# so that the id that comes back is always the real one. Of each trait the greater stamp wins; one that wins without a
# value is gone.
_PARTY = """
{p}_in as materialized (
    select ix, ext, new_id, traits, stamps, first_at, last_at, events, received_at, sent_at
    from json_to_recordset({rows}::json) as t (
        ix int, ext text, new_id uuid, traits jsonb, stamps jsonb, first_at timestamptz, last_at timestamptz,
        events bigint, received_at timestamptz, sent_at timestamptz
    )
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
    order by k.id, i.ext
    on conflict (workspace_id, external_id) do update set
        (traits, trait_stamps) = (
            select
                (x.traits - coalesce(array_agg(n.key), '{{}}'))
                || coalesce(
                    jsonb_object_agg(n.key, excluded.traits -> n.key) filter (where excluded.traits ? n.key), '{{}}'
                ),
                x.trait_stamps || coalesce(jsonb_object_agg(n.key, n.value), '{{}}')
            from jsonb_each(excluded.trait_stamps) as n
            where not x.trait_stamps ? n.key or x.trait_stamps -> n.key < n.value
        ),
        updated_at = excluded.updated_at
    returning x.id, x.external_id
),
{p} as materialized (
    select i.ix, i.ext, coalesce(k.id, w.id) as id, k.id is null as is_new
    from {p}_in i left join {p}_known k using (ix) left join {p}_written w on w.external_id = i.ext
)"""

_APPLY = (
    "with "  # noqa: S608 - the only text put together here is written above
    + _PARTY.format(p="acc", table="accounts", rows="$3")
    + ","
    + _PARTY.format(p="usr", table="users", rows="$4")
    + """,
facts as (
    insert into account_facts (workspace_id, account_id)
    select $1, id from acc where is_new order by id
    on conflict do nothing
),
account_moves as (
    insert into account_activity as x (workspace_id, account_id, first_seen_at, last_seen_at, events)
    select $1, acc.id, t.first_at, t.last_at, t.events
    from acc_in t join acc using (ix)
    where t.events > 0
    order by acc.id
    on conflict (workspace_id, account_id) do update set
        first_seen_at = least(x.first_seen_at, excluded.first_seen_at),
        last_seen_at = greatest(x.last_seen_at, excluded.last_seen_at),
        events = x.events + excluded.events
),
new_days as (
    insert into user_days (workspace_id, user_id, day)
    select $1, usr.id, t.day
    from json_to_recordset($5::json) as t (ix int, day date) join usr using (ix)
    order by usr.id, t.day
    on conflict do nothing
    returning user_id
),
sessions as (select user_id, count(*) as n from new_days group by user_id),
user_moves as (
    insert into user_activity as x
        (workspace_id, user_id, first_seen_at, last_seen_at, sessions, last_received_at, last_sent_at)
    select $1, usr.id, t.first_at, t.last_at, coalesce(s.n, 0), t.received_at, t.sent_at
    from usr_in t join usr using (ix) left join sessions s on s.user_id = usr.id
    where t.last_at is not null or t.received_at is not null or t.sent_at is not null
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
    from json_to_recordset($6::json) as t (
        account int, "user" int, linked boolean, changed_at timestamptz, first_at timestamptz
    )
    join acc on acc.ix = t.account join usr on usr.ix = t."user"
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
    select $1, acc.id, $8::text, t.stamp, t.value
    from json_to_recordset($7::json) as t (ix int, stamp numeric, value text) join acc using (ix)
    order by acc.id, t.stamp
    on conflict do nothing
),
happened as (
    insert into events (workspace_id, occurred_at, id, account_id, user_id, name, properties, received_at)
    select $1, t.at, t.id, acc.id, usr.id, t.name, t.properties, $2
    from json_to_recordset($9::json) as t (
        id uuid, at timestamptz, name text, account int, "user" int, properties jsonb
    )
    left join acc on acc.ix = t.account left join usr on usr.ix = t."user"
),
marked as (
    insert into dirty_accounts (workspace_id, account_id)
    select $1, id from acc
)
select array(select id from usr)::text as users
"""
)

# A statement of its own, after the users are written and so locked: whoever became an owner before that is seen here,
# and who becomes one later waits for us and sees what we wrote (see `db.owners.hold_users`).
_MARK_OWNED = """
insert into dirty_accounts (workspace_id, account_id)
select workspace_id, account_id from account_facts
where workspace_id = $1 and owner_id = any($2::text::uuid[])
"""


async def receive(db: Session, workspace_id: UUID, hashes: Mapping[str, int], now: datetime) -> Receipts:
    """Keep the message hashes not seen before; `hashes` maps each (32 hex digits) to the hash of its body."""
    driver = await raw(db)
    incoming = _json({"hash": key, "body": body} for key, body in hashes.items())
    row = await driver.fetchrow(_RECEIVE, workspace_id, incoming, now)
    old = await driver.fetch(_SEEN, workspace_id, row["repeated"]) if row["repeated"] else []
    seen = {found["message_hash"].hex: found["body_hash"] for found in old}
    return Receipts(seen, row["owner_trait"], row["erasures"] or 0)


async def apply(db: Session, workspace_id: UUID, batch: Fold, now: datetime) -> None:
    """Store a folded batch, and mark the accounts it is about and those whose owner it is about."""
    driver = await raw(db)
    users = await driver.fetchval(
        _APPLY,
        workspace_id,
        now,
        _json(_party(name, party) for name, party in batch.accounts.items()),
        _json(_party(name, party) for name, party in batch.users.items()),
        _json({"ix": ix, "day": day} for ix, day in batch.days),
        _json(
            {
                "account": account,
                "user": user,
                "linked": link.linked,
                "changed_at": link.changed_at,
                "first_at": link.first_linked_at,
            }
            for (account, user), link in batch.links.items()
        ),
        _json({"ix": ix, "stamp": str(mark), "value": value} for (ix, mark), value in batch.claims.items()),
        batch.owner_trait,
        _json(
            {
                "id": ids.new_text(),
                "at": event.at,
                "name": event.name,
                "account": event.account,
                "user": event.user,
                "properties": orjson.Fragment(event.properties),
            }
            for event in batch.events
        ),
    )
    if batch.users:
        await driver.execute(_MARK_OWNED, workspace_id, users)


def _party(external_id: str, party: Party) -> dict[str, Any]:
    row: dict[str, Any] = {"ix": party.ix, "ext": external_id, "new_id": ids.new_text()}
    if party.stamps:
        row["traits"] = party.traits
        row["stamps"] = orjson.Fragment(json.dumps(party.stamps))  # larger than the 64 bits orjson can write
    if party.last_seen_at:
        row |= {"first_at": party.first_seen_at, "last_at": party.last_seen_at, "events": party.events}
    if party.last_received_at or party.last_sent_at:
        row |= {"received_at": party.last_received_at, "sent_at": party.last_sent_at}
    return row


def _json(rows: Iterable[dict[str, Any]]) -> str:
    return orjson.dumps(list(rows)).decode()
