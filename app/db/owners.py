"""Everything the owner rule looks at, fetched for many accounts at once, and everything it decides, written at once."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, text

from app.db.base import Session, rows
from app.domain.models import AccountFacts, Membership, OwnerClaim, User, UserActivity
from app.domain.owners import Choice, Claim, Person, Policy, Resolution, Source, Timeline


@dataclass(frozen=True, slots=True)
class Standing:
    """An account as the rule finds it: its present owner, its timeline, and how many claims are stored."""

    account_id: UUID
    external_id: str
    name: str | None
    state: str
    owner_id: UUID | None
    owner_external_id: str | None
    timeline: Timeline
    stored_claims: int


# The map may have been set after the trait was sent, so what the trait says now counts as a claim of its own.
_PRESENT = """
select a.id as account_id, cast(a.trait_stamps ->> :key as numeric) as stamp, a.traits ->> :key as value
from accounts a
where a.workspace_id = :workspace and a.id = any(cast(:accounts as uuid[])) and a.trait_stamps ? :key
"""

_KEEP_PRESENT = text(
    "insert into owner_claims (workspace_id, account_id, trait_key, stamp, value) "  # noqa: S608 - constants
    f"select :workspace, p.account_id, :key, p.stamp, p.value from ({_PRESENT}) p order by p.account_id "
    "on conflict do nothing"
)

# Only the first claim of each run travels; users and memberships say what became of whom it names.
_CLAIMS = text(
    f"""
with told as (
    select c.account_id, c.stamp, c.value, true as is_stored
    from owner_claims c
    where c.workspace_id = :workspace and c.trait_key = :key and c.account_id = any(cast(:accounts as uuid[]))
    union all
    select p.account_id, p.stamp, p.value, false from ({_PRESENT}) p
),
said as (select distinct on (account_id, stamp) * from told order by account_id, stamp, is_stored desc),
runs as (
    select said.*, lag(value) over by_time as before, row_number() over by_time as n,
        count(*) over (partition by account_id) as stored
    from said window by_time as (partition by account_id order by stamp)
)
select r.account_id, r.stamp, r.value, r.stored,
    u.id as user_id, coalesce(m.linked, false) as linked, m.first_linked_at, m.changed_at
from runs r
left join users u on u.workspace_id = :workspace and u.external_id = r.value
left join memberships m on m.workspace_id = :workspace and m.account_id = r.account_id and m.user_id = u.id
where r.n = 1 or r.value is distinct from r.before
order by r.account_id, r.stamp
"""  # noqa: S608 - put together from constants
)

_STANDINGS = text(
    """
select f.account_id, a.external_id, a.name, f.owner_state, f.owner_id, f.owner_external_id,
    c.source, c.chosen_at, c.user_id as chosen_id, coalesce(cu.external_id, '') as chosen_external_id,
    coalesce(cm.linked, false) as chosen_linked, cm.first_linked_at as chosen_linked_at,
    first.user_id as first_id, first.external_id as first_external_id, first.first_linked_at
from account_facts f
join accounts a on a.workspace_id = :workspace and a.id = f.account_id
left join owner_choices c on c.workspace_id = :workspace and c.account_id = f.account_id
left join users cu on cu.workspace_id = :workspace and cu.id = c.user_id
left join memberships cm
    on cm.workspace_id = :workspace and cm.account_id = f.account_id and cm.user_id = c.user_id
left join lateral (
    select m.user_id, u.external_id, m.first_linked_at
    from memberships m join users u on u.workspace_id = :workspace and u.id = m.user_id
    where m.workspace_id = :workspace and m.account_id = f.account_id and m.linked
    order by m.first_linked_at nulls last, u.external_id collate "C"
    limit 1
) first on :policy = 'first_user'
where f.workspace_id = :workspace and f.account_id = any(cast(:accounts as uuid[]))
order by f.account_id
"""
)

# One write for whom the account belongs to and for the copies of that user's facts; rows that agree are left alone.
_SETTLE = text(
    """
update account_facts f set
    owner_state = d.state, owner_source = d.source, owner_pending = d.pending, owner_since = d.since,
    owner_id = d.owner_id, owner_external_id = d.external_id, owner_name = d.name, owner_email = d.email,
    owner_joined_at = d.joined_at, owner_last_seen_at = d.last_seen_at, owner_sessions = d.sessions,
    owner_last_received_at = d.received_at, owner_last_sent_at = d.sent_at
from (
    select t.account_id, t.state, t.source, t.pending, t.since, u.id as owner_id, u.external_id, u.name, u.email,
        coalesce(steward_instant(u.traits -> 'createdAt'), a.first_seen_at) as joined_at, a.last_seen_at,
        case when u.id is not null then coalesce(a.sessions, 0) end as sessions,
        case when w.conversation_tracking then a.last_received_at end as received_at,
        case when w.conversation_tracking then a.last_sent_at end as sent_at
    from unnest(
        cast(:accounts as uuid[]), cast(:owners as uuid[]), cast(:states as text[]), cast(:sources as text[]),
        cast(:pendings as text[]), cast(:sinces as timestamptz[])
    ) as t (account_id, owner_id, state, source, pending, since)
    join workspaces w on w.id = :workspace
    left join users u on u.workspace_id = :workspace and u.id = t.owner_id
    left join user_activity a on a.workspace_id = :workspace and a.user_id = u.id
) d
where f.workspace_id = :workspace and f.account_id = d.account_id
    and (f.owner_state, f.owner_source, f.owner_pending, f.owner_since, f.owner_id, f.owner_external_id, f.owner_name,
        f.owner_email, f.owner_joined_at, f.owner_last_seen_at, f.owner_sessions, f.owner_last_received_at,
        f.owner_last_sent_at)
    is distinct from (d.state, d.source, d.pending, d.since, d.owner_id, d.external_id, d.name, d.email, d.joined_at,
        d.last_seen_at, d.sessions, d.received_at, d.sent_at)
"""
)


# Without a trait for it and a policy, an owner comes of a choice, or is one that is not any more.
_CONCERNED = text(
    """
select f.account_id from account_facts f
where f.workspace_id = :workspace and f.account_id = any(cast(:accounts as uuid[]))
    and (
        (f.owner_state, f.owner_source, f.owner_pending, f.owner_since, f.owner_id, f.owner_external_id)
            is distinct from ('none', null, null, cast(null as timestamptz), cast(null as uuid), null)
        or exists (select from owner_choices c where c.workspace_id = :workspace and c.account_id = f.account_id)
    )
"""
)


async def concerned(db: Session, workspace_id: UUID, accounts: Sequence[UUID]) -> list[UUID]:
    """Those of these accounts that have or may have an owner though neither trait nor policy names one."""
    return list((await db.execute(_CONCERNED, {"workspace": workspace_id, "accounts": list(accounts)})).scalars())


async def keep_present(db: Session, workspace_id: UUID, accounts: Sequence[UUID], key: str) -> None:
    """Store what the mapped trait says now as a claim, where ingestion did not (the map came after the trait)."""
    await db.execute(_KEEP_PRESENT, {"workspace": workspace_id, "key": key, "accounts": list(accounts)})


async def standings(
    db: Session, workspace_id: UUID, accounts: Sequence[UUID], *, key: str | None, policy: Policy
) -> list[Standing]:
    """What the rule needs to know of each account, by id, under this owner trait and policy."""
    asked = {"workspace": workspace_id, "accounts": list(accounts)}
    told: dict[UUID, list[Mapping[str, Any]]] = defaultdict(list)
    if key is not None:
        for row in rows(await db.execute(_CLAIMS, asked | {"key": key})):
            told[row["account_id"]].append(row)
    found = rows(await db.execute(_STANDINGS, asked | {"policy": policy}))
    return [_standing(row, told[row["account_id"]], key, policy) for row in found]


def _standing(row: Mapping[str, Any], told: Sequence[Mapping[str, Any]], key: str | None, policy: Policy) -> Standing:
    timeline = Timeline(
        claims=[Claim(int(claim["stamp"]), claim["value"]) for claim in told],
        choice=_choice(row),
        people={claim["value"]: _person(claim) for claim in told if claim["user_id"] is not None},
        policy=policy,
        first_user=_first(row),
        trait_key=key,
    )
    return Standing(
        account_id=row["account_id"],
        external_id=row["external_id"],
        name=row["name"],
        state=row["owner_state"],
        owner_id=row["owner_id"],
        owner_external_id=row["owner_external_id"],
        timeline=timeline,
        stored_claims=told[0]["stored"] if told else 0,
    )


def _person(claim: Mapping[str, Any]) -> Person:
    joined, linked = claim["first_linked_at"], claim["linked"]
    left_at = claim["changed_at"] if joined is not None and not linked else None
    return Person(claim["user_id"], claim["value"], linked=linked, linked_at=joined, left_at=left_at)


def _choice(row: Mapping[str, Any]) -> Choice | None:
    if row["chosen_at"] is None:
        return None
    person = None
    if row["chosen_id"] is not None:
        person = Person(
            row["chosen_id"],
            row["chosen_external_id"],
            linked=row["chosen_linked"],
            linked_at=row["chosen_linked_at"],
        )
    return Choice(row["chosen_at"], Source(row["source"]), person)


def _first(row: Mapping[str, Any]) -> Person | None:
    if row["first_id"] is None:
        return None
    return Person(row["first_id"], row["first_external_id"], linked=True, linked_at=row["first_linked_at"])


async def settle(db: Session, workspace_id: UUID, decided: Mapping[UUID, Resolution]) -> None:
    """Write what the rule decided, and fresh copies of each owner's facts, where they differ from what is stored."""
    accounts = sorted(decided)
    ordered = [decided[account] for account in accounts]
    await db.execute(
        _SETTLE,
        {
            "workspace": workspace_id,
            "accounts": accounts,
            "owners": [found.owner.user_id if found.owner else None for found in ordered],
            "states": [found.state.value for found in ordered],
            "sources": [found.source.value if found.source else None for found in ordered],
            "pendings": [found.pending_value for found in ordered],
            "sinces": [found.since for found in ordered],
        },
    )


async def hold_users(db: Session, workspace_id: UUID, users: Collection[UUID]) -> None:
    """Keep these users as they are until the transaction ends, so that what is copied of them next is the latest.

    A flush that moves one of them either ended before, and is seen; or waits, and then finds the account to mark.
    """
    if not users:
        return
    ordered = sorted(users)
    one = select(User.id).where(User.workspace_id == workspace_id, User.id.in_(ordered))
    await db.execute(one.order_by(User.id).with_for_update())
    moves = select(UserActivity.user_id).where(
        UserActivity.workspace_id == workspace_id, UserActivity.user_id.in_(ordered)
    )
    await db.execute(moves.order_by(UserActivity.user_id).with_for_update())


async def all_claims(db: Session, workspace_id: UUID, accounts: Sequence[UUID], key: str) -> dict[UUID, list[Claim]]:
    """Every stored claim of these accounts, repetitions included."""
    query = select(OwnerClaim.account_id, OwnerClaim.stamp, OwnerClaim.value).where(
        OwnerClaim.workspace_id == workspace_id, OwnerClaim.account_id.in_(accounts), OwnerClaim.trait_key == key
    )
    stored: dict[UUID, list[Claim]] = defaultdict(list)
    for row in await db.execute(query):
        stored[row.account_id].append(Claim(int(row.stamp), row.value))
    return stored


async def drop_claims(db: Session, workspace_id: UUID, account_id: UUID, key: str, claims: Sequence[Claim]) -> None:
    """Forget these claims of one account."""
    await db.execute(
        delete(OwnerClaim).where(
            OwnerClaim.workspace_id == workspace_id,
            OwnerClaim.account_id == account_id,
            OwnerClaim.trait_key == key,
            OwnerClaim.stamp.in_([Decimal(claim.stamp) for claim in claims]),
        )
    )


async def facts(db: Session, workspace_id: UUID, account_id: UUID) -> Mapping[str, Any]:
    """The derived facts of one account that has some."""
    table = AccountFacts.__table__
    query = select(*table.columns).where(table.c.workspace_id == workspace_id, table.c.account_id == account_id)
    return dict((await db.execute(query)).mappings().one())


async def is_linked(db: Session, workspace_id: UUID, account_id: UUID, user_id: UUID) -> bool:
    """Whether the user belongs to the account now."""
    found = await db.scalar(
        select(Membership.linked).where(
            Membership.workspace_id == workspace_id,
            Membership.account_id == account_id,
            Membership.user_id == user_id,
        )
    )
    return bool(found)
