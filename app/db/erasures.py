"""Deletions of users and accounts: their progress as rows, and the deleting itself, table by table and in slices."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import Table, delete, func, insert, select, text, update

from app.db import account_changes
from app.db.base import Session, rows
from app.domain import ids
from app.domain.erasures import NOTE, Subject
from app.domain.models import Account, Base, Erasure, User, Workspace
from app.domain.suppression import Kind

PARENTS: Final[Mapping[Kind, Table]] = {
    "user": cast("Table", User.__table__),
    "account": cast("Table", Account.__table__),
}
SECONDS: Final = 55
"""How long the first transaction may take: a user may belong to very many accounts, an account have many users."""

_TAKE_TIME: Final = text(
    "select set_config('statement_timeout', :limit, true), set_config('enable_seqscan', 'off', true)"
)
_TABLE: Final = cast("Table", Erasure.__table__)
_OPEN: Final = ("waiting", "running")


async def take_time(db: Session, workspace_id: UUID) -> None:
    """Let statements of this transaction take longer than others, but not by scanning tables.

    What follows foreign keys keeps its plans: one made while a table was empty would scan it when it is full. So those
    plans are made anew.
    """
    del workspace_id
    await db.execute(text("discard plans"))
    await db.execute(_TAKE_TIME, {"limit": f"{SECONDS}s"})


async def count_up(db: Session, workspace_id: UUID) -> None:
    """Tell every process to forget what it remembers of this workspace (see `domain.memory`)."""
    await db.execute(update(Workspace).where(Workspace.id == workspace_id).values(erasures=Workspace.erasures + 1))


async def lock_subject(db: Session, workspace_id: UUID, kind: Kind, subject_id: UUID) -> Mapping[str, Any] | None:
    """The external id and the birth of what is to be deleted, with its row locked."""
    table = PARENTS[kind]
    query = select(table.c.external_id, table.c.created_at).where(
        table.c.workspace_id == workspace_id, table.c.id == subject_id
    )
    return next(iter(rows(await db.execute(query.with_for_update()))), None)


_LOCK_OWNED = text(
    "select account_id from account_facts where workspace_id = :workspace and owner_id = :id "
    "order by account_id for update"
)
_ACCOUNTS_OF = text("select account_id from memberships where workspace_id = :workspace and user_id = :id")


async def lock_owned(db: Session, workspace_id: UUID, user_id: UUID) -> list[UUID]:
    """The accounts a user owns, with their facts locked: evaluators of them have ended, and later ones wait."""
    return list(await db.scalars(_LOCK_OWNED, {"workspace": workspace_id, "id": user_id}))


async def accounts_of(db: Session, workspace_id: UUID, user_id: UUID) -> list[UUID]:
    """The accounts a user belongs to or ever belonged to."""
    return sorted(await db.scalars(_ACCOUNTS_OF, {"workspace": workspace_id, "id": user_id}))


async def delete_subject(db: Session, workspace_id: UUID, subject: Subject) -> Counter[str]:
    """Delete the row and every row that hangs on it; how many, by table.

    Table by table is much faster than letting the foreign keys cascade, and says how much there was.
    """
    parent = PARENTS[subject.kind]
    gone: Counter[str] = Counter()
    for table in reversed(Base.metadata.sorted_tables):
        for column in columns_to(table, parent):
            condition = (table.c.workspace_id == workspace_id) & (table.c[column] == subject.id)
            gone[table.name] += _changed(await db.execute(delete(table).where(condition)))
    await db.execute(delete(parent).where(parent.c.workspace_id == workspace_id, parent.c.id == subject.id))
    gone[parent.name] += 1
    gone += await _leave_segments(db, workspace_id, subject.id)
    if subject.kind == "account":
        asked = {"workspace": workspace_id, "id": subject.id}
        await db.execute(text("delete from dirty_accounts where workspace_id = :workspace and account_id = :id"), asked)
        await account_changes.note_gone(db, workspace_id, subject.id)
    return +gone


async def _leave_segments(db: Session, workspace_id: UUID, record_id: UUID) -> Counter[str]:
    """Segments hold records of several kinds, so no foreign key leads from here to the one that is gone."""
    gone: Counter[str] = Counter()
    for name in (
        "segment_links",
        "segment_exclusions",
        "segment_changes",
        "status_choices",
        "status_changes",
        "trait_history",
        "health_days",
        "element_instances",
        "measure_days",
        "measure_totals",
        "metric_days",
    ):
        table = Base.metadata.tables[name]
        condition = (table.c.workspace_id == workspace_id) & (table.c.record_id == record_id)
        gone[name] += _changed(await db.execute(delete(table).where(condition)))
    return gone


def columns_to(table: Table, parent: Table) -> list[str]:
    """The columns of a table that refer to a row of its parent, beside the workspace."""
    return [key.column_keys[-1] for key in table.foreign_key_constraints if key.referred_table is parent]


# What accounts may say of a user, in the accounts asked for. A claim that named them is a cleared one from now on:
# older claims stay without effect, and the trait stays cleared for whatever is not newer than what named them.
_NAMING: Final = text(
    """
select account_id from owner_claims
where workspace_id = :workspace and account_id = any(cast(:accounts as uuid[])) and value = :name
union
select account_id from owner_choices
where workspace_id = :workspace and account_id = any(cast(:accounts as uuid[])) and user_id = :id
union
select account_id from account_facts
where workspace_id = :workspace and account_id = any(cast(:accounts as uuid[]))
    and (owner_id = :id or owner_external_id = :name or owner_pending = :name)
union
select account_id from owner_changes
where workspace_id = :workspace and account_id = any(cast(:accounts as uuid[]))
    and (from_user_id = :id or to_user_id = :id or trait_value = :name)
union
select a.id from accounts a, unnest(cast(:keys as text[])) k (key)
where a.workspace_id = :workspace and a.id = any(cast(:accounts as uuid[])) and a.traits ->> k.key = :name
union
select h.record_id from trait_history h, unnest(cast(:keys as text[])) k (key)
where h.workspace_id = :workspace and h.record_id = any(cast(:accounts as uuid[])) and h.patch ->> k.key = :name
"""
)
_SCRUBS: Final = {
    "owner_claims": text(
        """
update owner_claims set value = null
where workspace_id = :workspace and account_id = any(cast(:accounts as uuid[])) and value = :name
"""
    ),
    "accounts": text(
        """
update accounts a set
    traits = a.traits - (
        select array_agg(k) from unnest(cast(:keys as text[])) k where a.traits ->> k = :name),
    updated_at = :now
where a.workspace_id = :workspace and a.id = any(cast(:accounts as uuid[]))
    and exists (select from unnest(cast(:keys as text[])) k where a.traits ->> k = :name)
"""
    ),
    "trait_history": text(
        """
update trait_history h set patch = h.patch || (
    select jsonb_object_agg(k, null) from unnest(cast(:keys as text[])) k where h.patch ->> k = :name)
where h.workspace_id = :workspace and h.record_id = any(cast(:accounts as uuid[]))
    and exists (select from unnest(cast(:keys as text[])) k where h.patch ->> k = :name)
"""
    ),
    "owner_choices": text(
        """
delete from owner_choices
where workspace_id = :workspace and account_id = any(cast(:accounts as uuid[])) and user_id = :id
"""
    ),
    "account_facts": text(
        """
update account_facts set
    owner_state = 'none', owner_source = null, owner_pending = null, owner_since = null, owner_id = null,
    owner_external_id = null, owner_name = null, owner_email = null, owner_joined_at = null,
    owner_last_seen_at = null, owner_sessions = null, owner_last_received_at = null, owner_last_sent_at = null
where workspace_id = :workspace and account_id = any(cast(:accounts as uuid[]))
    and (owner_id = :id or owner_external_id = :name)
"""
    ),
    "pending": text(
        """
update account_facts set owner_pending = null, owner_state = case when owner_id is null then 'none' else 'resolved' end
where workspace_id = :workspace and account_id = any(cast(:accounts as uuid[])) and owner_pending = :name
"""
    ),
}
# Alerts tell what was seen of the owner of that time: of accounts the user ever owned, nothing of it stays.
_BLANK: Final = """
coalesce((
    select jsonb_agg(
        case when r ->> 'field' = 'owner' or r ->> 'field' like 'owner.%' or r ->> 'saw' = :name
            then r || '{{"saw": null}}' else r end order by n)
    from jsonb_array_elements({column}) with ordinality as w (r, n)
), {column})
"""
_ALERTS: Final = text(
    f"""
update alerts a set why = {_BLANK.format(column="a.why")}, resolved_why = {_BLANK.format(column="a.resolved_why")}
where a.workspace_id = :workspace and a.account_id = any(cast(:accounts as uuid[]))
    and (concat(a.why, a.resolved_why) like '%"field": "owner%' or strpos(concat(a.why, a.resolved_why), :name) > 0)
"""  # noqa: S608 - put together from constants
)
_CHANGES: Final = text(
    """
update owner_changes set
    from_user_id = nullif(from_user_id, :id), to_user_id = nullif(to_user_id, :id),
    trait_value = nullif(trait_value, :name),
    reason = case when to_user_id = :id or trait_value = :name or strpos(reason, :quoted) > 0
        then :note else reason end
where workspace_id = :workspace and account_id = any(cast(:accounts as uuid[]))
    and (from_user_id = :id or to_user_id = :id or trait_value = :name or strpos(reason, :quoted) > 0)
"""
)


_HEALTH: Final = text(
    f"""
update health_days h set inputs = {_BLANK.format(column="h.inputs")}
where h.workspace_id = :workspace and h.record_id = any(cast(:accounts as uuid[]))
    and (h.inputs::text like '%"field": "owner%' or strpos(h.inputs::text, :name) > 0)
"""  # noqa: S608 - put together from constants
)


def _asked(workspace_id: UUID, subject: Subject, accounts: Sequence[UUID], keys: set[str]) -> dict[str, Any]:
    return {
        "workspace": workspace_id,
        "id": subject.id,
        "name": subject.external_id,
        "accounts": list(accounts),
        "keys": sorted(keys),
    }


async def naming(
    db: Session, workspace_id: UUID, subject: Subject, accounts: Sequence[UUID], keys: set[str]
) -> list[UUID]:
    """Those of these accounts that say anything of a user, by id."""
    asked = _asked(workspace_id, subject, accounts, keys)
    return sorted(await db.scalars(_NAMING, asked))


async def scrub_present(
    db: Session, workspace_id: UUID, subject: Subject, accounts: Sequence[UUID], keys: set[str], *, now: datetime
) -> Counter[str]:
    """Take a user out of what accounts say now: owner trait, claims, choice and copies; how many rows, by table."""
    asked = _asked(workspace_id, subject, accounts, keys) | {"now": now}
    done: Counter[str] = Counter()
    for name, statement in _SCRUBS.items():
        done["account_facts" if name == "pending" else name] += _changed(await db.execute(statement, asked))
    return +done


async def scrub_past(db: Session, workspace_id: UUID, subject: Subject, accounts: Sequence[UUID]) -> Counter[str]:
    """Take a user out of the alerts and the owner history of these accounts; how many rows, by table."""
    asked = {"workspace": workspace_id, "accounts": list(accounts), "name": subject.external_id}
    alerts = _changed(await db.execute(_ALERTS, asked))
    days = _changed(await db.execute(_HEALTH, asked))
    asked |= {"id": subject.id, "quoted": subject.quoted, "note": NOTE}
    return +Counter(alerts=alerts, health_days=days, owner_changes=_changed(await db.execute(_CHANGES, asked)))


async def owner_keys(db: Session, workspace_id: UUID) -> set[str]:
    """The traits that name owners now."""
    query = text("select trait_keys from trait_mappings where workspace_id = :workspace and field = 'owner'")
    return {key for keys in await db.scalars(query, {"workspace": workspace_id}) for key in keys}


async def claimed_keys(db: Session, workspace_id: UUID, accounts: Sequence[UUID]) -> set[str]:
    """The traits that ever named owners of these accounts."""
    query = text(
        "select distinct trait_key from owner_claims "
        "where workspace_id = :workspace and account_id = any(cast(:accounts as uuid[]))"
    )
    return set(await db.scalars(query, {"workspace": workspace_id, "accounts": list(accounts)}))


async def note_vacancies(
    db: Session, workspace_id: UUID, accounts: Sequence[UUID], reason: str, *, now: datetime
) -> None:
    """A line of owner history for accounts whose owner is gone, naming nobody."""
    lines = [
        {"workspace_id": workspace_id, "id": ids.new_id(), "account_id": one, "changed_at": now, "reason": reason}
        for one in accounts
    ]
    if lines:
        await db.execute(insert(Base.metadata.tables["owner_changes"]), lines)


# Letters do not say in a column whom they are about; they are looked through in the order they were written.
_LETTERS = text(
    """
select d.id,
    case when exists (
        select from unnest(cast(:needles as bytea[])) n where position(n in d.body) > 0
    ) then d.body end as body, d.endpoint_id, d.event_id, d.type, d.state
from deliveries d
where d.workspace_id = :workspace and d.id > cast(:after as uuid)
order by d.id
limit :limit
"""
)


async def letters(
    db: Session, workspace_id: UUID, *, after: UUID, needles: Sequence[bytes], limit: int
) -> tuple[UUID | None, list[Mapping[str, Any]]]:
    """The next letters that contain any of these, and the last one looked at; None: there are no more."""
    asked = {"workspace": workspace_id, "after": after, "needles": list(needles), "limit": limit}
    found = rows(await db.execute(_LETTERS, asked))
    last = found[-1]["id"] if len(found) == limit else None
    return last, [row for row in found if row["body"] is not None]


async def delete_letters(db: Session, workspace_id: UUID, letters: Sequence[UUID]) -> Counter[str]:
    """Delete letters with their attempts; how many, by table."""
    asked = {"workspace": workspace_id, "ids": list(letters)}
    gone: Counter[str] = Counter()
    for table, column in (("delivery_attempts", "delivery_id"), ("deliveries", "id")):
        statement = f"delete from {table} where workspace_id = :workspace and {column} = any(cast(:ids as uuid[]))"  # noqa: S608 - two constants
        gone[table] += _changed(await db.execute(text(statement), asked))
    return +gone


_REWRITE = text(
    """
update deliveries d set body = t.body
from unnest(cast(:ids as uuid[]), cast(:bodies as bytea[])) as t (id, body)
where d.workspace_id = :workspace and d.id = t.id
"""
)
_HUSH = text(
    """
update delivery_attempts set excerpt = null
where workspace_id = :workspace and delivery_id = any(cast(:ids as uuid[])) and excerpt is not null
"""
)


async def rewrite_letters(db: Session, workspace_id: UUID, bodies: Mapping[UUID, bytes]) -> Counter[str]:
    """Put other bodies into letters, and forget what receivers answered; how many rows, by table."""
    asked = {"workspace": workspace_id, "ids": list(bodies)}
    hushed = _changed(await db.execute(_HUSH, asked))
    rewritten = _changed(await db.execute(_REWRITE, asked | {"bodies": list(bodies.values())}))
    return +Counter(deliveries=rewritten, delivery_attempts=hushed)


async def has_parcels(db: Session, workspace_id: UUID, *, until: datetime) -> bool:
    """Whether messages that were taken in until then wait to be applied; those that failed are not waited for."""
    statement = """
        select exists (
            select from inbox where workspace_id = :workspace and received_at <= :until and attempts = 0)
        """
    return bool(await db.scalar(text(statement), {"workspace": workspace_id, "until": until}))


async def failing_parcels(
    db: Session, workspace_id: UUID, *, until: datetime, after: int, limit: int
) -> Sequence[Mapping[str, Any]]:
    """The next parcels taken in until then that could not be applied, locked."""
    statement = """
        select id, messages, attempts, parcel from inbox
        where workspace_id = :workspace and received_at <= :until and attempts > 0 and id > :after
        order by id limit :limit
        for update
        """
    asked = {"workspace": workspace_id, "until": until, "after": after, "limit": limit}
    return rows(await db.execute(text(statement), asked))


async def delete_import_errors(db: Session, workspace_id: UUID, external_id: str) -> int:
    """Delete what is kept of faulty rows of imports that may name somebody."""
    statement = text(
        "delete from import_errors where workspace_id = :workspace and strpos(concat(excerpt, detail), :name) > 0"
    )
    return _changed(await db.execute(statement, {"workspace": workspace_id, "name": external_id}))


# No index leads to a user's events: those of the workspace are looked through in the order of their key, a bounded
# number at a time. An account's are found by its index.
_EVENTS_OF_ACCOUNT = text(
    """
delete from events where workspace_id = :workspace and account_id = :id and (occurred_at, id) in (
    select e.occurred_at, e.id from events e
    where e.workspace_id = :workspace and e.account_id = :id
    order by e.occurred_at
    limit :limit
)
"""
)
_EVENTS_AFTER = text(
    """
with slice as materialized (
    select e.occurred_at, e.id, e.user_id from events e
    where e.workspace_id = :workspace and e.occurred_at >= cast(:at as timestamptz)
        and (e.occurred_at, e.id) > (cast(:at as timestamptz), cast(:id as uuid))
    order by e.occurred_at, e.id
    limit :limit
)
select s.occurred_at, s.id, s.user_id = :subject as theirs,
    s.id = (select l.id from slice l order by l.occurred_at desc, l.id desc limit 1)
        and (select count(*) from slice) = :limit as is_last
from slice s
where s.user_id = :subject
    or (s.occurred_at, s.id) = (
        select l.occurred_at, l.id from slice l order by l.occurred_at desc, l.id desc limit 1)
"""
)
_DELETE_EVENTS = text(
    """
delete from events e using unnest(cast(:ats as timestamptz[]), cast(:ids as uuid[])) as t (at, id)
where e.workspace_id = :workspace and e.occurred_at = t.at and e.id = t.id
"""
)


async def delete_account_events(db: Session, workspace_id: UUID, account_id: UUID, *, limit: int) -> int:
    """Delete the oldest events of an account; fewer than `limit`: there are no more."""
    asked = {"workspace": workspace_id, "id": account_id, "limit": limit}
    return _changed(await db.execute(_EVENTS_OF_ACCOUNT, asked))


async def delete_user_events(
    db: Session, workspace_id: UUID, user_id: UUID, *, after: tuple[datetime, UUID], limit: int
) -> tuple[tuple[datetime, UUID] | None, int]:
    """Delete a user's events among the next `limit` of the workspace; where to go on, None at the end; how many."""
    asked = {"workspace": workspace_id, "at": after[0], "id": after[1], "subject": user_id, "limit": limit}
    found = rows(await db.execute(_EVENTS_AFTER, asked))
    last = next(((row["occurred_at"], row["id"]) for row in found if row["is_last"]), None)
    theirs = [row for row in found if row["theirs"]]
    if theirs:
        gone = {"ats": [row["occurred_at"] for row in theirs], "ids": [row["id"] for row in theirs]}
        await db.execute(_DELETE_EVENTS, {"workspace": workspace_id, **gone})
    return last, len(theirs)


def _one(workspace_id: UUID, erasure_id: UUID) -> Any:
    return (_TABLE.c.workspace_id == workspace_id) & (_TABLE.c.id == erasure_id)


async def insert_new(db: Session, workspace_id: UUID, values: Mapping[str, Any]) -> None:
    """Store a deletion that waits for its first step, asked for now by the clock that the inbox goes by too."""
    requested_at = func.clock_timestamp()
    await db.execute(insert(_TABLE).values(workspace_id=workspace_id, requested_at=requested_at, **values))


async def latest(db: Session, workspace_id: UUID, disguise: bytes) -> Mapping[str, Any] | None:
    """The last deletion of whoever this stands for."""
    query = select(*_TABLE.c).where(_TABLE.c.workspace_id == workspace_id, _TABLE.c.disguise == disguise)
    return next(iter(rows(await db.execute(query.order_by(_TABLE.c.id.desc()).limit(1)))), None)


async def lock_open(db: Session, workspace_id: UUID, erasure_id: UUID) -> Mapping[str, Any] | None:
    """The row, locked, unless it is done."""
    query = select(*_TABLE.c).where(_one(workspace_id, erasure_id), _TABLE.c.state.in_(_OPEN)).with_for_update()
    return next(iter(rows(await db.execute(query))), None)


async def save(db: Session, workspace_id: UUID, erasure_id: UUID, values: Mapping[str, Any]) -> None:
    """Write how far a deletion has come."""
    await db.execute(update(_TABLE).where(_one(workspace_id, erasure_id)).values(**values))


async def one(db: Session, workspace_id: UUID, erasure_id: UUID) -> Mapping[str, Any] | None:
    """One deletion."""
    return next(iter(rows(await db.execute(select(*_TABLE.c).where(_one(workspace_id, erasure_id))))), None)


async def page(db: Session, workspace_id: UUID, *, before: UUID | None, limit: int) -> Sequence[Mapping[str, Any]]:
    """Deletions, the newest first."""
    query = select(*_TABLE.c).where(_TABLE.c.workspace_id == workspace_id)
    if before is not None:
        query = query.where(_TABLE.c.id < before)
    return rows(await db.execute(query.order_by(_TABLE.c.id.desc()).limit(limit)))


def _changed(result: Any) -> int:
    return int(result.rowcount)
