"""Invitations as rows: the newest of a member is the one that counts."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, case, insert, select, update

from app.db import lookups
from app.db.base import Session, rows
from app.domain.models import Invitation, Member


def _in(workspace_id: UUID, now: datetime) -> Select[Any]:
    status = case(
        (Invitation.accepted_at.is_not(None), "accepted"),
        (Invitation.revoked_at.is_not(None), "revoked"),
        (Invitation.expires_at <= now, "expired"),
        else_="pending",
    )
    return (
        select(
            Invitation.id,
            Invitation.member_id,
            Invitation.invited_by,
            Invitation.created_at,
            Invitation.expires_at,
            Invitation.accepted_at,
            Invitation.revoked_at,
            status.label("status"),
            Member.email,
            Member.role,
        )
        .join(Member, and_(Member.workspace_id == Invitation.workspace_id, Member.id == Invitation.member_id))
        .where(Invitation.workspace_id == workspace_id)
    )


async def insert_new(db: Session, workspace_id: UUID, values: Mapping[str, Any]) -> None:
    """Store a new invitation."""
    await db.execute(insert(Invitation).values(workspace_id=workspace_id, **values))


async def one(
    db: Session, workspace_id: UUID, invitation_id: UUID, *, now: datetime, lock: bool = False
) -> Mapping[str, Any] | None:
    """One invitation, with what is true of it now."""
    wanted = _in(workspace_id, now).where(Invitation.id == invitation_id)
    if lock:
        wanted = wanted.with_for_update(of=Invitation)
    return next(iter(rows(await db.execute(wanted))), None)


async def page(
    db: Session, workspace_id: UUID, *, before: UUID | None, limit: int, now: datetime
) -> Sequence[Mapping[str, Any]]:
    """Invitations, the newest first."""
    wanted = _in(workspace_id, now).order_by(Invitation.id.desc()).limit(limit)
    if before is not None:
        wanted = wanted.where(Invitation.id < before)
    return rows(await db.execute(wanted))


async def change(db: Session, workspace_id: UUID, invitation_id: UUID, values: Mapping[str, Any]) -> None:
    """Write these columns of an invitation."""
    await db.execute(
        update(Invitation)
        .where(Invitation.workspace_id == workspace_id, Invitation.id == invitation_id)
        .values(**values)
    )


async def revoke_of(db: Session, workspace_id: UUID, member_id: UUID, *, now: datetime) -> None:
    """No invitation of a member opens anything any more."""
    revoked = await db.scalars(
        update(Invitation)
        .where(
            Invitation.workspace_id == workspace_id,
            Invitation.member_id == member_id,
            Invitation.accepted_at.is_(None),
            Invitation.revoked_at.is_(None),
        )
        .values(revoked_at=now)
        .returning(Invitation.id)
    )
    await lookups.remove(db, workspace_id, revoked.all())
