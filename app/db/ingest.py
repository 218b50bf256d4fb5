"""Writes a folded batch: few statements, on the driver's own connection, under the door's transaction.

Messages are deduplicated first; then the accounts and users that are new or have traits are written; then, by the ids
of ours, all that happened to them. A process that remembers ids has little to do in the middle.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db.base import Orphaned, Outpaced, Session, raw
from app.db.columns import pack, table
from app.db.measures import ADD_DAYS, ADD_TOTALS, days_of, days_table, put_instances, totals_of, totals_table
from app.db.measures import as_text as _at
from app.db.merging import MERGE, as_json, traits_of
from app.domain import ids
from app.domain.folding import Fold, Party
from app.domain.homes import Home


@dataclass(frozen=True, slots=True)
class Receipts:
    """The message hashes taken before, with the hash of the body each had; and what shapes the rest of the work.

    `owner_trait` names owners; `erasures` is 0 where nobody was ever deleted, and moves when somebody is; `matchers` is
    the version of what is looked for in events.
    """

    seen: dict[str, int]
    owner_trait: str | None
    erasures: int
    matchers: int = 0


# A twin that is being written by another transaction makes this wait until that one is decided. The lock is shared by
# all flushes and taken whole by deletions: of the workspace, after which new accounts and users have no parent; and of
# users and accounts; and by whoever has more counted of events. This statement may have begun before the lock was free,
# so a function takes it, and looks anew after that. Plans are kept for as long as the connection lives: one made while
# a table was empty would scan it when it is full.
_RECEIVE = f"""
with incoming as materialized (select hash, body from {table("$2", hash="uuid", body="bigint")} as t),
fresh as (
    insert into message_receipts (workspace_id, message_hash, body_hash, received_at)
    select $1, hash, body, $3 from incoming order by hash
    on conflict do nothing
    returning message_hash
)
select
    set_config('enable_seqscan', 'off', true),
    steward_join_counters($1) as versions,
    (select array_agg(hash) from incoming where hash not in (select message_hash from fresh)) as repeated,
    (select trait_keys[1] from trait_mappings where workspace_id = $1 and field = 'owner') as owner_trait
"""  # noqa: S608 - the only text put together here is written by us

_SEEN = (
    "select message_hash, body_hash from message_receipts where workspace_id = $1 and message_hash = any($2::uuid[])"
)

# Parties are first looked up (one index probe each, whatever the statistics say), then only the new ones and those
# with traits are written. An insert that loses the race for a new external id becomes an update of the winner's row,
# so that the id that comes back is always the real one.
_PARTY = """
{p}_in as materialized (
    select ext, new_id, traits, stamps
    from json_to_recordset({rows}::json) as t (ext text, new_id uuid, traits jsonb, stamps jsonb)
),
{p}_known as materialized (
    select i.ext, x.id from {p}_in i
    cross join lateral (select id from {table} where workspace_id = $1 and external_id = i.ext limit 1) x
),
{p}_written as (
    insert into {table} as x (workspace_id, id, external_id, traits, trait_stamps, created_at, updated_at)
    select $1, i.new_id, i.ext, coalesce(i.traits, '{{}}'), coalesce(i.stamps, '{{}}'), $2, $2
    from {p}_in i left join {p}_known k using (ext)
    where k.id is null or i.stamps is not null
    order by k.id, i.ext
    on conflict (workspace_id, external_id) do update set {merge}, updated_at = excluded.updated_at
    returning x.id, x.external_id
),
{p} as materialized (
    select i.ext, coalesce(k.id, w.id) as id, k.id is null as is_new
    from {p}_in i left join {p}_known k using (ext) left join {p}_written w on w.external_id = i.ext
)"""

_PARTIES = (
    "with "  # noqa: S608 - the only text put together here is written above
    + _PARTY.format(p="acc", table="accounts", rows="$3", merge=MERGE)
    + ","
    + _PARTY.format(p="usr", table="users", rows="$4", merge=MERGE)
    + """,
facts as (
    insert into account_facts (workspace_id, account_id, status_since)
    select $1, id, $2 from acc where is_new order by id
    on conflict do nothing
)
select true as account, ext, id::text from acc union all select false, ext, id::text from usr
"""
)

_APPLY = f"""
with account_moves as (
    insert into account_activity as x (workspace_id, account_id, first_seen_at, last_seen_at, events)
    select $1, t.id, t.first_at, t.last_at, t.events
    from {table("$3", id="uuid", first_at="timestamptz", last_at="timestamptz", events="bigint")} as t
    order by t.id
    on conflict (workspace_id, account_id) do update set
        first_seen_at = least(x.first_seen_at, excluded.first_seen_at),
        last_seen_at = greatest(x.last_seen_at, excluded.last_seen_at),
        events = x.events + excluded.events
),
new_days as (
    insert into user_days (workspace_id, user_id, day)
    select $1, t.id, t.day from {table("$5", id="uuid", day="date")} as t
    order by t.id, t.day
    on conflict do nothing
    returning user_id
),
sessions as (select user_id, count(*) as n from new_days group by user_id),
user_moves as (
    insert into user_activity as x
        (workspace_id, user_id, first_seen_at, last_seen_at, sessions, last_received_at, last_sent_at)
    select $1, t.id, t.first_at, t.last_at, coalesce(s.n, 0), t.received_at, t.sent_at
    from {
    table(
        "$4",
        id="uuid",
        first_at="timestamptz",
        last_at="timestamptz",
        received_at="timestamptz",
        sent_at="timestamptz",
    )
} as t
    left join sessions s on s.user_id = t.id
    order by t.id
    on conflict (workspace_id, user_id) do update set
        first_seen_at = least(x.first_seen_at, excluded.first_seen_at),
        last_seen_at = greatest(x.last_seen_at, excluded.last_seen_at),
        sessions = x.sessions + excluded.sessions,
        last_received_at = greatest(x.last_received_at, excluded.last_received_at),
        last_sent_at = greatest(x.last_sent_at, excluded.last_sent_at)
),
links as (
    insert into memberships as x
        (workspace_id, account_id, user_id, linked, changed_at, first_linked_at, last_active_on)
    select $1, t.account, t.usr, t.linked, t.changed_at, t.first_at, t.active_on
    from {
    table(
        "$6",
        account="uuid",
        usr="uuid",
        linked="boolean",
        changed_at="timestamptz",
        first_at="timestamptz",
        active_on="date",
    )
} as t
    order by t.account, t.usr
    on conflict (workspace_id, account_id, user_id) do update set
        linked = case
            when (excluded.changed_at, not excluded.linked) > (x.changed_at, not x.linked) then excluded.linked
            else x.linked
        end,
        changed_at = greatest(x.changed_at, excluded.changed_at),
        first_linked_at = least(x.first_linked_at, excluded.first_linked_at),
        last_active_on = greatest(x.last_active_on, excluded.last_active_on)
    where (excluded.changed_at, not excluded.linked) > (x.changed_at, not x.linked)
        or excluded.first_linked_at < x.first_linked_at
        or (x.first_linked_at is null and excluded.first_linked_at is not null)
        or excluded.last_active_on > x.last_active_on
        or (x.last_active_on is null and excluded.last_active_on is not null)
),
counted as ({ADD_DAYS.format(rows=days_table("$14"))}),
totalled as ({ADD_TOTALS.format(rows=totals_table("$15"))}),
claims as (
    insert into owner_claims (workspace_id, account_id, trait_key, stamp, value)
    select $1, t.id, $8::text, t.stamp, t.value
    from json_to_recordset($7::json) as t (id uuid, stamp numeric, value text)
    order by t.id, t.stamp
    on conflict do nothing
),
happened as (
    insert into events (workspace_id, occurred_at, id, account_id, user_id, name, properties, received_at)
    select $1, t.at, t.id, t.account, t.usr, ($10::text[])[t.name], t.properties, $2
    from {table("$9", id="uuid", at="timestamptz", name="int", account="uuid", usr="uuid", properties="jsonb")} as t
),
told as (
    insert into trait_history (workspace_id, record_id, stamp, received_at, subject, source, patch)
    select $1, t.id, t.stamp, $2, t.subject, $13::text, t.patch
    from {table("$12", id="uuid", stamp="numeric", subject="text", patch="jsonb")} as t
    order by t.id, t.stamp
    on conflict do nothing
),
marked as (
    insert into dirty_accounts (workspace_id, account_id)
    select $1, t.id from unnest(string_to_array($11, E'\\x1e')::uuid[]) as t (id)
)
select erasures, watches_users from workspaces where id = $1
"""  # noqa: S608 - the only text put together here is written by us

# A statement of its own, after the users are written and so locked: whoever became an owner before that is seen here,
# and who becomes one later waits for us and sees what we wrote (see `db.owners.hold_users`).
_MARK_OWNED = """
insert into dirty_accounts (workspace_id, account_id)
select workspace_id, account_id from account_facts
where workspace_id = $1 and owner_id = any(string_to_array($2, E'\\x1e')::uuid[])
"""

# Where rules ask about users, they are evaluated themselves, and so are all accounts they belong to, and organizations
# they are linked to directly.
_MARK_WATCHED = """
with told as materialized (select t.id from unnest(string_to_array($2, E'\\x1e')::uuid[]) as t (id)),
marked as (
    insert into dirty_records (workspace_id, subject, record_id) select $1::uuid, 'users', id from told
    union all
    select distinct $1::uuid, 'organizations', organization_id from affiliations
    where workspace_id = $1 and user_id in (select id from told)
)
insert into dirty_accounts (workspace_id, account_id)
select $1, account_id from account_facts where workspace_id = $1 and owner_id in (select id from told)
union
select $1, account_id from memberships where workspace_id = $1 and user_id in (select id from told) and linked
"""

_HOMES = """
select u.external_id as user, a.external_id as account, home.at
from users u
cross join lateral (
    select m.account_id, greatest(m.changed_at, m.first_linked_at) as at from memberships m
    where m.workspace_id = $1 and m.user_id = u.id and m.linked
    order by at desc, m.account_id desc
    limit 1
) home
join accounts a on a.workspace_id = $1 and a.id = home.account_id
where u.workspace_id = $1 and u.external_id = any($2::text[])
"""


async def receive(db: Session, workspace_id: UUID, hashes: Mapping[str, int], now: datetime) -> Receipts:
    """Keep the message hashes not seen before; `hashes` maps each (32 hex digits) to the hash of its body."""
    driver = await raw(db)
    row = await driver.fetchrow(_RECEIVE, workspace_id, pack((key, str(body)) for key, body in hashes.items()), now)
    old = await driver.fetch(_SEEN, workspace_id, row["repeated"]) if row["repeated"] else []
    seen = {found["message_hash"].hex: found["body_hash"] for found in old}
    if row["versions"] is None:
        raise Orphaned("the workspace was deleted")
    return Receipts(seen, row["owner_trait"], *row["versions"])


async def homes(db: Session, workspace_id: UUID, users: Iterable[str]) -> dict[str, Home]:
    """The account each of these users was last linked to, and when; those who are linked to any."""
    driver = await raw(db)
    return {row["user"]: (row["at"], row["account"]) for row in await driver.fetch(_HOMES, workspace_id, list(users))}


async def apply(db: Session, workspace_id: UUID, batch: Fold, now: datetime) -> None:
    """Store a folded batch, and mark the accounts it is about and those whose owner it is about.

    Fills in the batch's ids. Raises `Outpaced` when somebody was deleted since its ids were looked up.
    """
    driver = await raw(db)
    accounts, users = _unsettled(batch.accounts, batch.account_ids), _unsettled(batch.users, batch.user_ids)
    if accounts or users:
        for row in await driver.fetch(_PARTIES, workspace_id, now, as_json(accounts), as_json(users)):
            (batch.account_ids if row["account"] else batch.user_ids)[row["ext"]] = row["id"]
    names = {name: n for n, name in enumerate(dict.fromkeys(event.name for event in batch.events), start=1)}
    found = await driver.fetchrow(
        _APPLY,
        workspace_id,
        now,
        pack(_account_moves(batch)),
        pack(_user_moves(batch)),
        pack((batch.user_ids[user], day.isoformat()) for user, day in batch.days),
        pack(_links(batch)),
        as_json({"id": batch.account_ids[a], "stamp": str(mark), "value": v} for (a, mark), v in batch.claims.items()),
        batch.owner_trait,
        pack(_events(batch, names)),
        list(names),
        "\x1e".join(batch.account_ids.values()),
        pack(_told(batch)),
        batch.source,
        days_of(batch.counts, batch.account_ids, batch.user_ids, batch.measure_ids),
        totals_of(batch.counts, batch.account_ids, batch.measure_ids),
    )
    await put_instances(db, workspace_id, batch.counts, batch.account_ids)
    if found is None or found["erasures"] != batch.erasures:
        raise Outpaced("somebody was deleted while this batch waited for its turn")
    if batch.user_ids:
        mark = _MARK_WATCHED if found["watches_users"] else _MARK_OWNED
        await driver.execute(mark, workspace_id, "\x1e".join(batch.user_ids.values()))


def _unsettled(parties: Mapping[str, Party], known: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {"ext": name, "new_id": ids.new_text(), **traits_of(party)}
        for name, party in parties.items()
        if party.stamps or name not in known
    ]


def _account_moves(batch: Fold) -> Iterable[tuple[str, ...]]:
    for name, party in batch.accounts.items():
        if party.events:
            yield batch.account_ids[name], _at(party.first_seen_at), _at(party.last_seen_at), str(party.events)


def _user_moves(batch: Fold) -> Iterable[tuple[str, ...]]:
    for name, party in batch.users.items():
        if party.moved:
            spans = (party.first_seen_at, party.last_seen_at, party.last_received_at, party.last_sent_at)
            yield batch.user_ids[name], *map(_at, spans)


def _told(batch: Fold) -> Iterable[tuple[str, ...]]:
    if not batch.keeps_history:
        return
    both = (("accounts", batch.accounts, batch.account_ids), ("users", batch.users, batch.user_ids))
    for subject, parties, known in both:
        for name, party in parties.items():
            for mark, said in party.told.items():
                yield known[name], str(mark), subject, said.decode()


def _links(batch: Fold) -> Iterable[tuple[str, ...]]:
    for (account, user), link in batch.links.items():
        yield (
            batch.account_ids[account],
            batch.user_ids[user],
            "t" if link.linked else "f",
            _at(link.changed_at),
            _at(link.first_linked_at),
            "" if link.active_on is None else link.active_on.isoformat(),
        )


def _events(batch: Fold, names: Mapping[str, int]) -> Iterable[tuple[str, ...]]:
    for event in batch.events:
        yield (
            ids.new_text(),
            _at(event.at),
            str(names[event.name]),
            batch.account_ids[event.account] if event.account is not None else "",
            batch.user_ids[event.user] if event.user is not None else "",
            event.properties.decode(),
        )
