"""Who of the staff holds which role at an account, as rows."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from app.db.base import Session, rows
from app.domain.models import KeyRole, Member


async def of_account(db: Session, workspace_id: UUID, account_id: UUID) -> Sequence[Mapping[str, Any]]:
    """The roles held at an account, with who holds them."""
    query = (
        select(KeyRole.role, KeyRole.source, KeyRole.assigned_at, Member.id, Member.name, Member.email)
        .join(Member, (Member.workspace_id == KeyRole.workspace_id) & (Member.id == KeyRole.member_id))
        .where(KeyRole.workspace_id == workspace_id, KeyRole.account_id == account_id)
        .order_by(KeyRole.role.desc())
    )
    return rows(await db.execute(query))


async def assign(
    db: Session, workspace_id: UUID, account_id: UUID, role: str, member_id: UUID, *, now: datetime
) -> None:
    """Give the role to a member. Assigning it to who holds it already changes nothing."""
    values = {"member_id": member_id, "source": "api", "assigned_at": now}
    statement = insert(KeyRole).values(workspace_id=workspace_id, account_id=account_id, role=role, **values)
    await db.execute(
        statement.on_conflict_do_update(
            index_elements=["workspace_id", "account_id", "role"],
            set_=values,
            where=KeyRole.member_id != statement.excluded.member_id,
        )
    )


async def release(db: Session, workspace_id: UUID, account_id: UUID, role: str) -> None:
    """Leave the role without a holder."""
    await db.execute(
        delete(KeyRole).where(
            KeyRole.workspace_id == workspace_id, KeyRole.account_id == account_id, KeyRole.role == role
        )
    )


async def release_all(db: Session, workspace_id: UUID, member_id: UUID) -> list[UUID]:
    """Take every role from a member; the accounts concerned."""
    gone = await db.scalars(
        delete(KeyRole)
        .where(KeyRole.workspace_id == workspace_id, KeyRole.member_id == member_id)
        .returning(KeyRole.account_id)
    )
    return sorted(set(gone))
