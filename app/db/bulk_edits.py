"""Bulk edits as rows: whom they are about is fixed when they begin; progress moves with the records it counts."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Integer, Select, cast, delete, func, insert, literal, select, text, update

from app.db.base import Session, rows
from app.domain.bulk_edits import AT_WORK, MOST_NAMED, REDACTED, Outcomes
from app.domain.fields import Subject
from app.domain.models import BulkEdit, BulkEditRow

SNAPSHOT_SECONDS: Final = 25

_TABLE = BulkEdit.__table__
_ROWS = BulkEditRow.__table__


def _one(workspace_id: UUID, edit_id: UUID) -> Any:
    return (_TABLE.c.workspace_id == workspace_id) & (_TABLE.c.id == edit_id)


async def lock_queue(db: Session, workspace_id: UUID) -> None:
    """Let one transaction at a time decide which edit of the workspace runs."""
    values = {"workspace": str(workspace_id)}
    await db.execute(text("select pg_advisory_xact_lock(hashtext('steward.bulk_edits'), hashtext(:workspace))"), values)


async def count_open(db: Session, workspace_id: UUID) -> int:
    """How many edits are not over."""
    query = select(func.count()).where(_TABLE.c.workspace_id == workspace_id, _TABLE.c.state.in_(AT_WORK))
    return int(await db.scalar(query) or 0)


async def insert_new(db: Session, workspace_id: UUID, values: Mapping[str, Any]) -> None:
    """Store a new edit."""
    await db.execute(insert(BulkEdit).values(workspace_id=workspace_id, **values))


async def snapshot(db: Session, workspace_id: UUID, edit_id: UUID, chosen: Select[Any]) -> int:
    """Fix the records an edit is about: what this query finds, in its order; how many. It may take its time."""
    await db.execute(text("select set_config('statement_timeout', :limit, true)"), {"limit": f"{SNAPSHOT_SECONDS}s"})
    found = chosen.subquery("chosen")
    place = cast(func.row_number().over(order_by=found.c.id), Integer)
    lines = select(literal(workspace_id), literal(edit_id), place, found.c.id)
    columns = ["workspace_id", "bulk_edit_id", "position", "record_id"]
    result: Any = await db.execute(insert(BulkEditRow).from_select(columns, lines))
    return int(result.rowcount)


async def put_rows(db: Session, workspace_id: UUID, edit_id: UUID, records: Sequence[UUID]) -> None:
    """Fix the records an edit is about, one by one, in the order of their ids."""
    statement = text(
        "insert into bulk_edit_rows (workspace_id, bulk_edit_id, position, record_id)"
        " select :workspace, :edit, t.position, t.id from unnest(cast(:records as uuid[])) with ordinality"
        " as t (id, position)"
    )
    await db.execute(statement, {"workspace": workspace_id, "edit": edit_id, "records": sorted(records)})


async def one(db: Session, workspace_id: UUID, edit_id: UUID, *, lock: bool = False) -> Mapping[str, Any] | None:
    """One edit; locked, it changes no more until the transaction ends."""
    query = select(*_TABLE.columns).where(_one(workspace_id, edit_id))
    found = rows(await db.execute(query.with_for_update() if lock else query))
    return found[0] if found else None


async def running(db: Session, workspace_id: UUID) -> UUID | None:
    """The edit that runs."""
    query = select(_TABLE.c.id).where(_TABLE.c.workspace_id == workspace_id, _TABLE.c.state == "running")
    found: UUID | None = await db.scalar(query)
    return found


async def waits(db: Session, workspace_id: UUID) -> UUID | None:
    """The edit that has waited longest, whoever holds it."""
    query = select(_TABLE.c.id).where(_TABLE.c.workspace_id == workspace_id, _TABLE.c.state == "waiting")
    found: UUID | None = await db.scalar(query.order_by(_TABLE.c.id).limit(1))
    return found


async def next_waiting(db: Session, workspace_id: UUID) -> UUID | None:
    """The edit that has waited longest; one that is being stopped just now is passed over."""
    query = select(_TABLE.c.id).where(_TABLE.c.workspace_id == workspace_id, _TABLE.c.state == "waiting")
    found: UUID | None = await db.scalar(query.order_by(_TABLE.c.id).limit(1).with_for_update(skip_locked=True))
    return found


async def change(db: Session, workspace_id: UUID, edit_id: UUID, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Write these columns and return the row as it is now."""
    statement = update(BulkEdit).where(_one(workspace_id, edit_id)).values(**values).returning(*_TABLE.columns)
    return rows(await db.execute(statement))[0]


async def remove(db: Session, workspace_id: UUID, edit_id: UUID) -> None:
    """Delete an edit with its rows."""
    await db.execute(delete(BulkEdit).where(_one(workspace_id, edit_id)))


async def page(
    db: Session, workspace_id: UUID, *, by: str | None, before: UUID | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Edits, or those that somebody asked for, newest first."""
    query = select(*_TABLE.columns).where(_TABLE.c.workspace_id == workspace_id)
    if by is not None:
        query = query.where(_TABLE.c.requested_by == by)
    if before is not None:
        query = query.where(_TABLE.c.id < before)
    return rows(await db.execute(query.order_by(_TABLE.c.id.desc()).limit(limit)))


async def part(db: Session, workspace_id: UUID, edit_id: UUID, *, after: int, limit: int) -> list[UUID]:
    """The records at the next positions, in this order."""
    query = select(_ROWS.c.record_id).where(
        _ROWS.c.workspace_id == workspace_id,
        _ROWS.c.bulk_edit_id == edit_id,
        _ROWS.c.position > after,
        _ROWS.c.position <= after + limit,
    )
    return list(await db.scalars(query.order_by(_ROWS.c.position)))


_SETTLE = text(
    """
update bulk_edit_rows r set outcome = t.outcome, code = t.code
from unnest(cast(:outcomes as text[]), cast(:codes as text[])) with ordinality as t (outcome, code, place)
where r.workspace_id = :workspace and r.bulk_edit_id = :edit and r.position = :after + t.place
"""
)


async def settle(
    db: Session, workspace_id: UUID, edit_id: UUID, *, after: int, records: Sequence[UUID], outcomes: Outcomes
) -> None:
    """Note what became of the records at the positions that follow `after`."""
    told = [outcomes[record] for record in records]
    values = {"outcomes": [one.result for one in told], "codes": [one.code for one in told], "after": after}
    await db.execute(_SETTLE, {"workspace": workspace_id, "edit": edit_id, **values})


async def results(
    db: Session, workspace_id: UUID, edit_id: UUID, *, outcome: str | None, after: int, limit: int
) -> Sequence[Mapping[str, Any]]:
    """What became of records, in the order they are gone through; of those gone through so far."""
    query = select(_ROWS.c.position, _ROWS.c.record_id, _ROWS.c.outcome, _ROWS.c.code).where(
        _ROWS.c.workspace_id == workspace_id, _ROWS.c.bulk_edit_id == edit_id, _ROWS.c.position > after
    )
    query = query.where(_ROWS.c.outcome.is_not(None) if outcome is None else _ROWS.c.outcome == outcome)
    return rows(await db.execute(query.order_by(_ROWS.c.position).limit(limit)))


# What is said of thousands alike says nothing of one of them; what was said of a few may.
_BLANK: Final = """
update bulk_edits e set filter = null, action = case when e.action ? 'traits' then jsonb_set(e.action, '{traits}', (
        select coalesce(jsonb_object_agg(t.key, cast(:blank as text)), '{}') from jsonb_each(e.action -> 'traits') t
    )) else e.action end
where e.workspace_id = :workspace and e.total <= :few and e.finished_at is not null
"""

_SCRUB = text(
    f"""{_BLANK} and exists (
    select from bulk_edit_rows r
    where r.workspace_id = :workspace and r.bulk_edit_id = e.id and r.record_id = :record
)"""
)

_SCRUB_LATE = {
    subject: text(
        f"""{_BLANK} and e.id = :edit and e.subject = '{subject.value}' and exists (
    select from bulk_edit_rows r
    where r.workspace_id = :workspace and r.bulk_edit_id = e.id and not exists (
        select from {subject.value} x where x.workspace_id = :workspace and x.id = r.record_id)
)"""  # noqa: S608 - a constant
    )
    for subject in Subject
}


async def scrub(db: Session, workspace_id: UUID, record_id: UUID) -> int:
    """Blank the filter and the values of finished edits of few records, of which this one was one; how many edits.

    It waits for an edit that is just ending: one that ends later finds the record gone.
    """
    await lock_queue(db, workspace_id)
    values = {"record": record_id, "few": MOST_NAMED, "blank": REDACTED}
    result: Any = await db.execute(_SCRUB, {"workspace": workspace_id, **values})
    return int(result.rowcount)


async def scrub_late(db: Session, workspace_id: UUID, edit_id: UUID, subject: Subject) -> None:
    """The same for an edit that has ended just now, if one of its records was deleted while it was under way.

    The caller holds the queue.
    """
    values = {"edit": edit_id, "few": MOST_NAMED, "blank": REDACTED}
    await db.execute(_SCRUB_LATE[subject], {"workspace": workspace_id, **values})


_TRAITS: Final = {
    subject: text(
        f"select id, external_id, traits, trait_stamps from {subject.value} "  # noqa: S608 - a constant
        "where workspace_id = :workspace and id = any(cast(:records as uuid[])) order by id"
    )
    for subject in Subject
}


async def traits(
    db: Session, workspace_id: UUID, subject: Subject, records: Sequence[UUID]
) -> Sequence[Mapping[str, Any]]:
    """Names, traits and stamps of these records, as far as they exist."""
    return rows(await db.execute(_TRAITS[subject], {"workspace": workspace_id, "records": list(records)}))
