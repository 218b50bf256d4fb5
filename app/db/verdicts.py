"""Asks in one statement which of many filters hold for given records, and when the clock alone changes an answer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Select, Uuid, any_, bindparam, func, null, select
from sqlalchemy.dialects.postgresql import array

from app.db import facts, filters
from app.db.base import Session
from app.db.happenings import Tally
from app.domain.fields import Subject
from app.domain.filters import Tree, leaves, size
from app.domain.filters.tree import happenings

MOST_LEAVES: Final = 1000  # per statement, so that its parameters stay below the protocol's limit


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which of the asked filters (by position) hold for a record, and when the clock may next change one of them."""

    record_id: UUID
    holding: tuple[int, ...]
    next_change: datetime | None


async def ask(
    db: Session, workspace_id: UUID, subject: Subject, record_ids: Sequence[UUID], trees: Sequence[Tree], now: datetime
) -> list[Verdict]:
    """For each record which filters hold: one statement for all of them, unless they are very long."""
    found: dict[UUID, Verdict] = {record_id: Verdict(record_id, (), None) for record_id in record_ids}
    for first, part in _portions(trees):
        for record_id, answers, later in await _ask(db, workspace_id, subject, record_ids, part, now):
            holding = tuple([first + ix for ix, answer in enumerate(answers) if answer])
            found[record_id] = _both(found[record_id], holding, later) if first else Verdict(record_id, holding, later)
    return list(found.values())


def _both(known: Verdict, holding: tuple[int, ...], later: datetime | None) -> Verdict:
    soonest = min((at for at in (known.next_change, later) if at is not None), default=None)
    return Verdict(known.record_id, known.holding + holding, soonest)


def _portions(trees: Sequence[Tree]) -> Iterator[tuple[int, Sequence[Tree]]]:
    first, weight = 0, 0
    for ix, tree in enumerate(trees):
        more = size(tree)
        if weight + more > MOST_LEAVES and ix > first:
            yield first, trees[first:ix]
            first, weight = ix, 0
        weight += more
    if first < len(trees):
        yield first, trees[first:]


async def _ask(
    db: Session, workspace_id: UUID, subject: Subject, record_ids: Sequence[UUID], trees: Sequence[Tree], now: datetime
) -> Sequence[Any]:
    asked = {"workspace": workspace_id, "records": list(record_ids), "now": now}
    return list(await db.execute(_question(subject, tuple(trees)), asked))


@lru_cache(maxsize=64)
def _question(subject: Subject, trees: tuple[Tree, ...]) -> Select[*tuple[Any, ...]]:
    """Building a statement for fifty indicators takes longer than answering it, so it is built once."""
    now = bindparam("now", type_=DateTime(timezone=True))
    ground = facts.GROUNDS[subject]
    tally = Tally((one for tree in trees for one in happenings(tree)), ground, now)
    start = tally.join(ground.start)
    answers = array([filters.holds(tree, now, tally=tally) for tree in trees]).label("answers")
    instants = [at for tree in trees if (at := filters.next_change(tree, now, tally=tally)) is not None]
    later = func.least(*instants, type_=DateTime(timezone=True)) if instants else null()
    named = [leaf.fact for tree in trees for leaf in leaves(tree)]
    query = facts.joined(select(ground.id, answers, later.label("later")).select_from(start), subject, named)
    return query.where(
        ground.workspace == bindparam("workspace", type_=Uuid),
        ground.id == any_(bindparam("records", type_=ARRAY(Uuid))),
    )
