"""Reads facts of given records by their entries in the catalogue, and which traits a workspace's accounts carry.

Accounts always have their facts beside them. Users and organizations may have none yet: what is missing there has its
default (see `filters.value`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVarTuple
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, FromClause, Select, Uuid, and_, any_, bindparam, select, text

from app.db import filters
from app.db.base import Session
from app.domain.fields import Fact, Subject, Type
from app.domain.models import Member

Row = TypeVarTuple("Row")

RECENT_ACCOUNTS: Final = 1000
MOST_TRAITS: Final = 200


@dataclass(frozen=True, slots=True)
class Ground:
    """Where the records of a subject live: the table every query starts from, and those that stand beside it."""

    start: FromClause
    id: ColumnElement[UUID]
    workspace: ColumnElement[UUID]
    beside: Mapping[str, tuple[FromClause, ColumnElement[bool]]]


def _beside(start: Any, id_: Any, *others: Any) -> Mapping[str, tuple[FromClause, ColumnElement[bool]]]:
    found = {}
    for table in others:
        own = next(column for column in table.primary_key.columns if column.name != "workspace_id")
        found[table.name] = (table, and_(table.c.workspace_id == start.c.workspace_id, own == id_))
    return found


def _ground(start: Any, id_name: str, *others: Any) -> Ground:
    id_ = start.c[id_name]
    return Ground(start, id_, start.c.workspace_id, _beside(start, id_, *others))


_T: Final = filters.TABLES
GROUNDS: Final[Mapping[Subject, Ground]] = {
    Subject.ACCOUNTS: _ground(_T["account_facts"], "account_id", _T["accounts"]),
    Subject.USERS: _ground(_T["users"], "id", _T["user_facts"], _T["user_activity"]),
    Subject.ORGANIZATIONS: _ground(_T["organizations"], "id", _T["organization_facts"]),
}


_OBSERVED: Final = text(
    """
    select key, array_agg(distinct kind order by kind) as kinds, count(*) as accounts
    from (
        select t.key, case
            when jsonb_typeof(t.value) = 'string' then
                case when steward_instant(t.value) is null then 'text' else 'datetime' end
            else jsonb_typeof(t.value) end as kind
        from (
            select traits from accounts where workspace_id = :workspace_id order by id desc limit :recent
        ) as a, jsonb_each(a.traits) as t
        where jsonb_typeof(t.value) <> 'null'
    ) as seen
    group by key order by accounts desc, key limit :most
    """
)


def joined(query: Select[*Row], subject: Subject, facts: Iterable[Fact]) -> Select[*Row]:
    """The query on the subject's records, with the tables beside them that these facts live in."""
    beside = GROUNDS[subject].beside
    for table in sorted({fact.table for fact in facts} & beside.keys()):
        other, link = beside[table]
        query = query.join(other, link) if subject is Subject.ACCOUNTS else query.outerjoin(other, link)
    return query


async def load(
    db: Session,
    workspace_id: UUID,
    record_ids: Sequence[UUID],
    facts: Iterable[Fact],
    subject: Subject = Subject.ACCOUNTS,
) -> Mapping[UUID, Mapping[str, Any]]:
    """The given facts of each record, by path; its traits as one mapping under "traits"."""
    wanted = list({fact.path: fact for fact in facts}.values())
    columns = [filters.value(fact, Type.TRAIT).label(f"f{ix}") for ix, fact in enumerate(wanted)]
    ground = GROUNDS[subject]
    query = joined(select(ground.id, *columns).select_from(ground.start), subject, wanted).where(
        ground.workspace == workspace_id,
        ground.id == any_(bindparam(None, list(record_ids), type_=ARRAY(Uuid))),
    )
    return {row[0]: _by_path(wanted, row[1:]) for row in await db.execute(query)}


def _by_path(wanted: Sequence[Fact], values: Sequence[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"traits": {}}
    for fact, value in zip(wanted, values, strict=True):
        if fact.key is None:
            found[fact.path] = value
        elif value is not None:
            found["traits"][fact.key] = value
    return found


async def members(db: Session, workspace_id: UUID, ids: Iterable[UUID]) -> Mapping[UUID, Member]:
    """The workspace's members behind these ids."""
    if not (wanted := list(ids)):
        return {}
    found = await db.scalars(select(Member).where(Member.workspace_id == workspace_id, Member.id.in_(wanted)))
    return {member.id: member for member in found}


async def observed_traits(db: Session, workspace_id: UUID) -> Sequence[Mapping[str, Any]]:
    """Trait keys of the latest accounts, most common first, with the kinds of values seen under each."""
    values = {"workspace_id": workspace_id, "recent": RECENT_ACCOUNTS, "most": MOST_TRAITS}
    return [dict(row) for row in (await db.execute(_OBSERVED, values)).mappings()]
