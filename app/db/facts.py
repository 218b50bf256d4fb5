"""Reads facts of given accounts by their entries in the catalogue, and which traits a workspace's accounts carry."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeVarTuple
from uuid import UUID

from sqlalchemy import ARRAY, Select, Uuid, and_, any_, bindparam, select, text

from app.db import filters
from app.db.base import Session
from app.domain.fields import Fact, Type
from app.domain.models import Account, AccountFacts, Member

Row = TypeVarTuple("Row")

RECENT_ACCOUNTS: Final = 1000
MOST_TRAITS: Final = 200

BESIDE = and_(Account.workspace_id == AccountFacts.workspace_id, Account.id == AccountFacts.account_id)

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


def joined(query: Select[*Row], facts: Iterable[Fact]) -> Select[*Row]:
    """The query on `account_facts`, with `accounts` beside it when one of the facts lives there."""
    return query.join(Account, BESIDE) if any(fact.table == "accounts" for fact in facts) else query


async def load(
    db: Session, workspace_id: UUID, account_ids: Sequence[UUID], facts: Iterable[Fact]
) -> Mapping[UUID, Mapping[str, Any]]:
    """The given facts of each account, by path; its traits as one mapping under "traits"."""
    wanted = list({fact.path: fact for fact in facts}.values())
    columns = [filters.value(fact, Type.TRAIT).label(f"f{ix}") for ix, fact in enumerate(wanted)]
    query = joined(select(AccountFacts.account_id, *columns), wanted).where(
        AccountFacts.workspace_id == workspace_id,
        AccountFacts.account_id == any_(bindparam(None, list(account_ids), type_=ARRAY(Uuid))),
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
