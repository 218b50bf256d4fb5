"""Which records a filter keeps, or a list of names stands for: the beginning of whatever is done to many at once."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Select, Text, Uuid, any_, bindparam, or_, select

from app.db import facts, filters
from app.db.base import Session, rows
from app.domain.fields import Subject
from app.domain.filters import Tree, leaves
from app.domain.models import Account, Organization, User

_NAMED: Final[Mapping[Subject, Any]] = {
    Subject.ACCOUNTS: Account.__table__,
    Subject.USERS: User.__table__,
    Subject.ORGANIZATIONS: Organization.__table__,
}


def matching(workspace_id: UUID, subject: Subject, tree: Tree, now: datetime, *, limit: int) -> Select[Any]:
    """The ids of up to `limit` records that the filter keeps, in the order they were made."""
    ground = facts.GROUNDS[subject]
    query = facts.joined(select(ground.id.label("id")).select_from(ground.start), subject, _used(tree))
    query = query.where(ground.workspace == workspace_id, filters.holds(tree, now))
    return query.order_by(ground.id).limit(limit)


def _used(tree: Tree) -> list[Any]:
    return [leaf.fact for leaf in leaves(tree)]


async def ids(
    db: Session, workspace_id: UUID, subject: Subject, tree: Tree, *, now: datetime, limit: int
) -> list[UUID]:
    """The same, read."""
    return list(await db.scalars(matching(workspace_id, subject, tree, now, limit=limit)))


async def named(
    db: Session, workspace_id: UUID, subject: Subject, *, by_id: Sequence[UUID], by_external_id: Sequence[str]
) -> Sequence[Mapping[str, Any]]:
    """The records among these ids of ours and external ids, with both and their name."""
    table = _NAMED[subject]
    query = select(table.c.id, table.c.external_id, table.c.name).where(
        table.c.workspace_id == workspace_id,
        or_(
            table.c.id == any_(bindparam(None, list(by_id), type_=ARRAY(Uuid))),
            table.c.external_id == any_(bindparam(None, list(by_external_id), type_=ARRAY(Text))),
        ),
    )
    return rows(await db.execute(query))
