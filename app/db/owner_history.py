"""What people decided about owners, and the history of who owned an account."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import aliased

from app.db.base import Session, rows
from app.domain.models import OwnerChange, OwnerChoice, User
from app.domain.owners import Resolution, Source


@dataclass(frozen=True, slots=True)
class Change:
    """One line of owner history about to be written."""

    id: UUID
    account_id: UUID
    from_user_id: UUID | None
    resolution: Resolution


async def record(db: Session, workspace_id: UUID, changes: Sequence[Change], *, key: str | None, now: datetime) -> None:
    """Write lines of owner history."""
    lines = [
        {
            "workspace_id": workspace_id,
            "id": change.id,
            "account_id": change.account_id,
            "changed_at": now,
            "from_user_id": change.from_user_id,
            "to_user_id": change.resolution.owner.user_id if change.resolution.owner else None,
            "source": change.resolution.source.value if change.resolution.source else None,
            "reason": change.resolution.reason,
            "trait_key": key if change.resolution.source is Source.TRAIT else None,
            "trait_value": _named(change.resolution),
        }
        for change in changes
    ]
    if lines:
        await db.execute(insert(OwnerChange), lines)


def _named(resolution: Resolution) -> str | None:
    return resolution.owner.external_id if resolution.source is Source.TRAIT and resolution.owner else None


async def history(
    db: Session, workspace_id: UUID, account_id: UUID, *, before: UUID | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Changes of an account's owner, newest first, with the users they are about as far as they still exist."""
    old, new = aliased(User, name="old"), aliased(User, name="new")
    query = (
        select(
            *OwnerChange.__table__.columns,
            old.external_id.label("from_external_id"),
            old.name.label("from_name"),
            old.email.label("from_email"),
            new.external_id.label("to_external_id"),
            new.name.label("to_name"),
            new.email.label("to_email"),
        )
        .outerjoin(old, (old.workspace_id == OwnerChange.workspace_id) & (old.id == OwnerChange.from_user_id))
        .outerjoin(new, (new.workspace_id == OwnerChange.workspace_id) & (new.id == OwnerChange.to_user_id))
        .where(OwnerChange.workspace_id == workspace_id, OwnerChange.account_id == account_id)
        .order_by(OwnerChange.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(OwnerChange.id < before)
    return rows(await db.execute(query))


async def choose(db: Session, workspace_id: UUID, account_id: UUID, choice: Mapping[str, Any]) -> None:
    """Store a choice: user_id (None: nobody), source, chosen_at, chosen_by. The latest replaces the one before."""
    values = upsert(OwnerChoice).values(workspace_id=workspace_id, account_id=account_id, **choice)
    await db.execute(values.on_conflict_do_update(index_elements=["workspace_id", "account_id"], set_=choice))


async def forget_choice(db: Session, workspace_id: UUID, account_id: UUID) -> bool:
    """Drop the choice; whether there was one."""
    gone = await db.execute(
        delete(OwnerChoice)
        .where(OwnerChoice.workspace_id == workspace_id, OwnerChoice.account_id == account_id)
        .returning(OwnerChoice.account_id)
    )
    return gone.first() is not None
