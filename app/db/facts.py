"""Reads facts of given records by their entries in the catalogue, and which traits a workspace's accounts carry.

Accounts always have their facts beside them. Users and organizations may have none yet: what is missing there has its
default (see `filters.value`).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, bindparam, func, select, text

from app.db import filters
from app.db.base import Session
from app.db.grounds import GROUNDS, Ground, joined
from app.domain.fields import Fact, Subject, Type
from app.domain.filters import Condition, Leaf, Tree, conditions
from app.domain.filters.tree import looks_back
from app.domain.models import Member

__all__ = ["GROUNDS", "Ground", "joined", "load", "members", "needs", "observed_traits"]

RECENT: Final = 1000
MOST_TRAITS: Final = 200
Need = Fact | Condition


_OBSERVED: Final = """
    select key, array_agg(distinct kind order by kind) as kinds, count(*) as records
    from (
        select t.key, case
            when jsonb_typeof(t.value) = 'string' then
                case when steward_instant(t.value) is null then 'text' else 'datetime' end
            else jsonb_typeof(t.value) end as kind
        from (
            select traits from {table} where workspace_id = :workspace_id order by id desc limit :recent
        ) as a, jsonb_each(a.traits) as t
        where jsonb_typeof(t.value) <> 'null'
    ) as seen
    group by key order by records desc, key limit :most
    """


def needs(tree: Tree) -> list[Need]:
    """What must be loaded of a record to explain the filter: facts, and what conditions on related records, on events
    or on the past find."""
    return [need for one in conditions(tree) for need in _needed(one)]


def _needed(one: Condition) -> tuple[Need, ...]:
    if isinstance(one, Leaf):
        return (one.fact, one) if looks_back(one) else (one.fact,)
    return (one,)


async def load(
    db: Session,
    workspace_id: UUID,
    record_ids: Sequence[UUID],
    needed: Iterable[Need],
    subject: Subject = Subject.ACCOUNTS,
    *,
    now: datetime | None = None,
) -> Mapping[UUID, Mapping[str, Any]]:
    """The given facts of each record, by path; its traits as one mapping under "traits"; under "found" what each
    condition on related records, on events or on the past found at `now`: how many they were, or what the value was."""
    wanted = list(dict.fromkeys(needed))
    clock = func.now() if now is None else now
    columns = [_column(need, clock).label(f"f{ix}") for ix, need in enumerate(wanted)]
    ground = GROUNDS[subject]
    named = [need for need in wanted if isinstance(need, Fact)]
    query = joined(select(ground.id, *columns).select_from(ground.start), subject, named).where(
        ground.workspace == workspace_id,
        ground.id == any_(bindparam(None, list(record_ids), type_=ARRAY(Uuid))),
    )
    return {row[0]: _by_path(wanted, row[1:]) for row in await db.execute(query)}


def _column(need: Need, now: filters.Clock) -> ColumnElement[Any]:
    if isinstance(need, Fact):
        return filters.value(need, Type.TRAIT)
    return filters.former(need, now) if isinstance(need, Leaf) else filters.counted(need, now)


def _by_path(wanted: Sequence[Need], values: Sequence[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"traits": {}, "found": {}}
    for need, value in zip(wanted, values, strict=True):
        if not isinstance(need, Fact):
            found["found"][need] = value
        elif need.key is None or need.via is not None:
            found[need.path] = value
        elif value is not None:
            found["traits"][need.key] = value
    return found


async def members(db: Session, workspace_id: UUID, ids: Iterable[UUID]) -> Mapping[UUID, Member]:
    """The workspace's members behind these ids."""
    if not (wanted := list(ids)):
        return {}
    found = await db.scalars(select(Member).where(Member.workspace_id == workspace_id, Member.id.in_(wanted)))
    return {member.id: member for member in found}


async def observed_traits(
    db: Session, workspace_id: UUID, subject: Subject = Subject.ACCOUNTS
) -> Sequence[Mapping[str, Any]]:
    """Trait keys of the latest records, most common first, with the kinds of values seen under each."""
    values = {"workspace_id": workspace_id, "recent": RECENT, "most": MOST_TRAITS}
    asked = text(_OBSERVED.format(table=subject.value))  # one of three names of ours
    return [dict(row) for row in (await db.execute(asked, values)).mappings()]
