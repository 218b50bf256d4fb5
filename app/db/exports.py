"""Reads everything about one user or account in the order of keys, a bounded number of rows per statement."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, Table, select, text, tuple_

from app.db import erasures
from app.db.base import Session, rows
from app.domain.erasures import Subject
from app.domain.models import Base, Event
from app.domain.suppression import Kind

ROWS: Final = 1_000
SCANNED: Final = 10_000
OF_RECORDS: Final = frozenset(
    {"segment_changes", "segment_exclusions", "segment_links", "status_changes", "status_choices", "trait_history"}
)
"""Tables about records of several kinds, to which no foreign key can lead."""
_EVENTS: Final = Event.__table__


def tables_of(kind: Kind) -> list[tuple[Table, str]]:
    """The tables whose rows hang on a user or an account, by name, each with the column that says on which."""
    parent = erasures.PARENTS[kind]
    found = [(table, column) for table in Base.metadata.sorted_tables for column in erasures.columns_to(table, parent)]
    found += [(table, "record_id") for table in Base.metadata.sorted_tables if table.name in OF_RECORDS]
    return sorted(found, key=lambda one: one[0].name)


async def subject(db: Session, workspace_id: UUID, kind: Kind, subject_id: UUID) -> Mapping[str, Any] | None:
    """The user or account itself."""
    table = erasures.PARENTS[kind]
    query = select(*table.c).where(table.c.workspace_id == workspace_id, table.c.id == subject_id)
    return next(iter(rows(await db.execute(query))), None)


async def rows_of(
    db: Session, workspace_id: UUID, table: Table, column: str, subject_id: UUID
) -> AsyncIterator[Mapping[str, Any]]:
    """The rows of a table that hang on a user or an account, by key."""
    query = select(*table.c).where(table.c.workspace_id == workspace_id, table.c[column] == subject_id)
    key = [part for part in table.primary_key.columns if part.name not in {"workspace_id", column}]
    async for row in _walk(db, query, key):
        yield row


async def _walk(db: Session, query: Select[*tuple[Any, ...]], key: Sequence[Any]) -> AsyncIterator[Mapping[str, Any]]:
    """The rows of a query in the order of a key, read in pages; without a key there is one row."""
    ordered = query.order_by(*key).limit(ROWS)
    found = rows(await db.execute(ordered))
    while found:
        for row in found:
            yield row
        if len(found) < ROWS or not key:
            return
        last = [found[-1][part.name] for part in key]
        found = rows(await db.execute(ordered.where(tuple_(*key) > tuple_(*last))))


async def events_of_account(
    db: Session, workspace_id: UUID, account_id: UUID | None
) -> AsyncIterator[Mapping[str, Any]]:
    """An account's events, the oldest first; with None, those of no account."""
    theirs = _EVENTS.c.account_id == account_id if account_id is not None else _EVENTS.c.account_id.is_(None)
    query = select(*_EVENTS.c).where(_EVENTS.c.workspace_id == workspace_id, theirs)
    async for row in _walk(db, query, [_EVENTS.c.occurred_at, _EVENTS.c.id]):
        yield row


# A user's events have no index of their own: those of an account are looked through, a bounded number at a time.
def _among(account_id: UUID | None) -> Any:
    home = "account_id is null" if account_id is None else "account_id = :account"
    return text(
        f"""
        select e.occurred_at, e.id, e.account_id, e.user_id, e.organization_id, e.name, e.received_at,
            case when e.user_id = :user then e.properties end as properties
        from events e
        where e.workspace_id = :workspace and e.{home} and e.occurred_at >= cast(:at as timestamptz)
            and (e.occurred_at, e.id) > (cast(:at as timestamptz), cast(:id as uuid))
        order by e.occurred_at, e.id
        limit :limit
        """  # noqa: S608 - one of two constants
    )


async def events_of_user(
    db: Session, workspace_id: UUID, user_id: UUID, account_id: UUID | None, *, since: datetime
) -> AsyncIterator[Mapping[str, Any]]:
    """What a user did at an account, or with None at none, the oldest first."""
    query = _among(account_id)
    asked = {"workspace": workspace_id, "user": user_id, "at": since, "id": UUID(int=0), "limit": SCANNED}
    if account_id is not None:
        asked["account"] = account_id
    while True:
        found = rows(await db.execute(query, asked))
        for row in found:
            if row["user_id"] == user_id:
                yield row
        if len(found) < SCANNED:
            return
        asked |= {"at": found[-1]["occurred_at"], "id": found[-1]["id"]}


async def totals_of_account(db: Session, workspace_id: UUID, account_id: UUID) -> AsyncIterator[Mapping[str, Any]]:
    """What was counted of an account's events, by name."""
    totals, measures = Base.metadata.tables["measure_totals"], Base.metadata.tables["measures"]
    query = (
        select(measures.c.name, totals.c.measure_id, totals.c.count, totals.c.first_at, totals.c.last_at)
        .join(measures, _same_measure(totals, measures))
        .where(totals.c.workspace_id == workspace_id, totals.c.record_id == account_id, measures.c.filter.is_(None))
    )
    async for row in _walk(db, query, [totals.c.measure_id]):
        yield row


async def days_of_user(
    db: Session, workspace_id: UUID, user_id: UUID, account_id: UUID
) -> AsyncIterator[Mapping[str, Any]]:
    """What was counted of a user's events at an account, by name and day."""
    days, measures = Base.metadata.tables["measure_days"], Base.metadata.tables["measures"]
    query = (
        select(measures.c.name, days.c.measure_id, days.c.record_id.label("account_id"), days.c.day, days.c.count)
        .join(measures, _same_measure(days, measures))
        .where(
            days.c.workspace_id == workspace_id,
            days.c.record_id == account_id,
            days.c.user_id == user_id,
            measures.c.filter.is_(None),
        )
    )
    async for row in _walk(db, query, [days.c.measure_id, days.c.day]):
        yield row


def _same_measure(table: Table, measures: Table) -> Any:
    return (measures.c.workspace_id == table.c.workspace_id) & (measures.c.id == table.c.measure_id)


async def owned_by(db: Session, workspace_id: UUID, user_id: UUID) -> AsyncIterator[Mapping[str, Any]]:
    """The accounts a user owns now."""
    facts = Base.metadata.tables["account_facts"]
    query = select(facts.c.account_id, facts.c.owner_source, facts.c.owner_since).where(
        facts.c.workspace_id == workspace_id, facts.c.owner_id == user_id
    )
    async for row in _walk(db, query, [facts.c.account_id]):
        yield row


async def ownership_of(
    db: Session, workspace_id: UUID, subject: Subject, accounts: Sequence[UUID]
) -> AsyncIterator[tuple[str, Mapping[str, Any]]]:
    """Choices, claims and changes of owners of these accounts that name a user, with the tables they are in."""
    tables = Base.metadata.tables
    choices, claims, changes = tables["owner_choices"], tables["owner_claims"], tables["owner_changes"]
    for table, theirs in (
        (changes, (changes.c.from_user_id == subject.id) | (changes.c.to_user_id == subject.id)),
        (choices, choices.c.user_id == subject.id),
        (claims, claims.c.value == subject.external_id),
    ):
        query = select(*table.c).where(table.c.workspace_id == workspace_id, table.c.account_id.in_(accounts), theirs)
        async for row in _walk(db, query, [part for part in table.primary_key.columns if part.name != "workspace_id"]):
            yield table.name, row


async def letters_about(
    db: Session, workspace_id: UUID, subject: Subject, *, after: UUID
) -> AsyncIterator[Mapping[str, Any]]:
    """Letters that show a user or account, with their attempts, in the order they were written."""
    last: UUID | None = after
    attempts = Base.metadata.tables["delivery_attempts"]
    while last is not None:
        last, found = await erasures.letters(db, workspace_id, after=last, needles=[subject.needle], limit=ROWS)
        for row in found:
            query = select(*attempts.c).where(
                attempts.c.workspace_id == workspace_id, attempts.c.delivery_id == row["id"]
            )
            yield {**row, "attempts": rows(await db.execute(query.order_by(attempts.c.number)))}
