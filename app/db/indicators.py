"""Stores indicators, and asks in one statement which of them hold for given accounts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Select, Table, Uuid, any_, bindparam, func, insert, null, select, text, update
from sqlalchemy.dialects.postgresql import array

from app.db import facts, filters
from app.db.base import Session
from app.domain.filters import Tree, leaves
from app.domain.models import AccountFacts, Indicator

MOST_LEAVES: Final = 1000  # per statement, so that its parameters stay below the protocol's limit

_INDICATORS: Final = cast("Table", Indicator.__table__)
_COLUMNS: Final = tuple(_INDICATORS.c)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which of the asked filters (by position) hold for an account, and when the clock may next change one of them."""

    account_id: UUID
    holding: tuple[int, ...]
    next_change: datetime | None


async def lock_definitions(db: Session, workspace_id: UUID) -> None:
    """One at a time adds indicators, so that their number stays within its limit."""
    key = f"steward:indicators:{workspace_id}"
    await db.execute(text("select pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})


async def insert_new(db: Session, workspace_id: UUID, values: Mapping[str, Any]) -> None:
    """Add an indicator."""
    await db.execute(insert(_INDICATORS).values(workspace_id=workspace_id, **values))


async def change(db: Session, workspace_id: UUID, indicator_id: UUID, values: Mapping[str, Any]) -> None:
    """Change columns of an indicator; its version goes up by one."""
    await db.execute(
        update(_INDICATORS)
        .where(_INDICATORS.c.workspace_id == workspace_id, _INDICATORS.c.id == indicator_id)
        .values(version=_INDICATORS.c.version + 1, **values)
    )


async def one(db: Session, workspace_id: UUID, indicator_id: UUID, *, lock: bool = False) -> Mapping[str, Any] | None:
    """An indicator, archived or not; with `lock` nobody else changes it until the transaction ends."""
    query = select(*_COLUMNS).where(Indicator.workspace_id == workspace_id, Indicator.id == indicator_id)
    found = (await db.execute(query.with_for_update() if lock else query)).mappings().one_or_none()
    return None if found is None else dict(found)


async def live_count(db: Session, workspace_id: UUID) -> int:
    """How many indicators are not archived."""
    query = select(func.count()).where(Indicator.workspace_id == workspace_id, Indicator.archived_at.is_(None))
    return (await db.execute(query)).scalar_one()


async def live(db: Session, workspace_id: UUID) -> Sequence[Mapping[str, Any]]:
    """The indicators to judge: enabled and not archived."""
    query = select(*_COLUMNS).where(
        Indicator.workspace_id == workspace_id, Indicator.enabled, Indicator.archived_at.is_(None)
    )
    return [dict(row) for row in (await db.execute(query.order_by(Indicator.id))).mappings()]


async def page(
    db: Session, workspace_id: UUID, *, after: UUID | None, limit: int, archived: bool
) -> Sequence[Mapping[str, Any]]:
    """Indicators in the order they were made; archived ones only when asked for."""
    query = select(*_COLUMNS).where(Indicator.workspace_id == workspace_id).order_by(Indicator.id).limit(limit)
    if not archived:
        query = query.where(Indicator.archived_at.is_(None))
    if after is not None:
        query = query.where(Indicator.id > after)
    return [dict(row) for row in (await db.execute(query)).mappings()]


async def verdicts(
    db: Session, workspace_id: UUID, account_ids: Sequence[UUID], trees: Sequence[Tree], now: datetime
) -> list[Verdict]:
    """For each account which filters hold: one statement for all of them, unless they are very long."""
    found: dict[UUID, Verdict] = {account_id: Verdict(account_id, (), None) for account_id in account_ids}
    for first, part in _portions(trees):
        for account_id, answers, later in await _ask(db, workspace_id, account_ids, part, now):
            known = found[account_id]
            holding = tuple(first + ix for ix, answer in enumerate(answers) if answer)
            soonest = min((at for at in (known.next_change, later) if at is not None), default=None)
            found[account_id] = Verdict(account_id, known.holding + holding, soonest)
    return list(found.values())


def _portions(trees: Sequence[Tree]) -> Iterator[tuple[int, Sequence[Tree]]]:
    first, weight = 0, 0
    for ix, tree in enumerate(trees):
        size = sum(1 for _ in leaves(tree))
        if weight + size > MOST_LEAVES and ix > first:
            yield first, trees[first:ix]
            first, weight = ix, 0
        weight += size
    if first < len(trees):
        yield first, trees[first:]


async def _ask(
    db: Session, workspace_id: UUID, account_ids: Sequence[UUID], trees: Sequence[Tree], now: datetime
) -> Sequence[Any]:
    asked = {"workspace": workspace_id, "accounts": list(account_ids), "now": now}
    return list(await db.execute(_question(tuple(trees)), asked))


@lru_cache(maxsize=64)
def _question(trees: tuple[Tree, ...]) -> Select[*tuple[Any, ...]]:
    """Building a statement for fifty indicators takes longer than answering it, so it is built once."""
    now = bindparam("now", type_=DateTime(timezone=True))
    answers = array([filters.holds(tree, now) for tree in trees]).label("answers")
    instants = [at for tree in trees if (at := filters.next_change(tree, now)) is not None]
    later = func.least(*instants, type_=DateTime(timezone=True)) if instants else null()
    named = [leaf.fact for tree in trees for leaf in leaves(tree)]
    query = facts.joined(select(AccountFacts.account_id, answers, later.label("later")), named)
    return query.where(
        AccountFacts.workspace_id == bindparam("workspace", type_=Uuid),
        AccountFacts.account_id == any_(bindparam("accounts", type_=ARRAY(Uuid))),
    )
