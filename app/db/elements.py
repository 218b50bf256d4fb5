"""Stores the definitions of elements, and shows what records have of them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import Table, func, insert, select, text, update

from app.db.base import Session, rows
from app.domain.fields import Subject
from app.domain.models import Element

_ELEMENTS: Final = cast("Table", Element.__table__)
_COLUMNS: Final = tuple(_ELEMENTS.c)
FACTS: Final = {
    Subject.ACCOUNTS: ("account_facts", "account_id"),
    Subject.ORGANIZATIONS: ("organization_facts", "organization_id"),
}

_OF_RECORD: Final = {
    subject: text(
        f"""
select e.id as element, e.slug, e.name, coalesce((f.elements ->> e.slug)::bigint, 0) as count,
    coalesce((f.elements ->> e.slug)::bigint, 0) > 0 as used,
    (f.element_firsts ->> e.slug)::timestamptz as first_at, (f.element_lasts ->> e.slug)::timestamptz as last_at
from elements e
left join {table} f on f.workspace_id = :workspace and f.{id_} = :record
where e.workspace_id = :workspace and e.archived_at is null
order by e.id
"""  # noqa: S608 - constants
    )
    for subject, (table, id_) in FACTS.items()
}


async def lock_definitions(db: Session, workspace_id: UUID) -> None:
    """One at a time adds and changes elements, so that slugs stay apart and their number within its limit."""
    key = f"steward:elements:{workspace_id}"
    await db.execute(text("select pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})


async def insert_new(db: Session, workspace_id: UUID, values: Mapping[str, Any]) -> None:
    """Add an element."""
    await db.execute(insert(_ELEMENTS).values(workspace_id=workspace_id, **values))


async def change(db: Session, workspace_id: UUID, element_id: UUID, values: Mapping[str, Any]) -> None:
    """Change columns of an element; its version goes up by one."""
    await db.execute(
        update(_ELEMENTS)
        .where(_ELEMENTS.c.workspace_id == workspace_id, _ELEMENTS.c.id == element_id)
        .values(version=_ELEMENTS.c.version + 1, **values)
    )


async def one(db: Session, workspace_id: UUID, *, by_id: UUID | None, slug: str) -> Mapping[str, Any] | None:
    """The element with this id, archived or not; without an id, the live one with this slug."""
    query = select(*_COLUMNS).where(Element.workspace_id == workspace_id)
    if by_id is not None:
        query = query.where(Element.id == by_id)
    else:
        query = query.where(Element.slug == slug, Element.archived_at.is_(None))
    return next(iter(rows(await db.execute(query))), None)


async def live(db: Session, workspace_id: UUID) -> Sequence[Mapping[str, Any]]:
    """The elements that are counted, in the order they were made."""
    query = select(*_COLUMNS).where(Element.workspace_id == workspace_id, Element.archived_at.is_(None))
    return rows(await db.execute(query.order_by(Element.id)))


async def count_live(db: Session, workspace_id: UUID) -> int:
    """How many elements are counted."""
    query = select(func.count()).where(Element.workspace_id == workspace_id, Element.archived_at.is_(None))
    return await db.scalar(query) or 0


async def page(
    db: Session, workspace_id: UUID, *, after: UUID | None, limit: int, archived: bool
) -> Sequence[Mapping[str, Any]]:
    """Elements in the order they were made; archived ones only when asked for."""
    query = select(*_COLUMNS).where(Element.workspace_id == workspace_id).order_by(Element.id).limit(limit)
    if not archived:
        query = query.where(Element.archived_at.is_(None))
    if after is not None:
        query = query.where(Element.id > after)
    return rows(await db.execute(query))


async def of_record(db: Session, workspace_id: UUID, subject: Subject, record_id: UUID) -> Sequence[Mapping[str, Any]]:
    """What a record has of each element, as evaluated last."""
    return rows(await db.execute(_OF_RECORD[subject], {"workspace": workspace_id, "record": record_id}))
