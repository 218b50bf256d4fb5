"""Where members are signed in, and what a session opens."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, delete, exists, func, insert, literal_column, or_, select, update

from app.db.base import Session, rows
from app.domain.keys import USED_EVERY, Caller
from app.domain.models import AccessGroup, GroupMember, Member, MemberSession

_COLUMNS = [MemberSession.id, MemberSession.client, MemberSession.created_at, MemberSession.last_used_at]


async def insert_new(db: Session, workspace_id: UUID, values: Mapping[str, Any]) -> None:
    """A member signed in."""
    await db.execute(insert(MemberSession).values(workspace_id=workspace_id, **values))


async def person(db: Session, workspace_id: UUID, session_id: UUID) -> Mapping[str, Any] | None:
    """Who is behind a session: the member, their role and data-access groups, and when it was used last."""
    groups = (
        select(func.array_agg(GroupMember.group_id))
        .where(GroupMember.workspace_id == workspace_id, GroupMember.member_id == MemberSession.member_id)
        .scalar_subquery()
    )
    wanted = (
        select(
            MemberSession.member_id,
            MemberSession.last_used_at,
            MemberSession.expires_at,
            Member.role,
            func.coalesce(groups, literal_column("'{}'::uuid[]")).label("groups"),
            exists(select(1).where(AccessGroup.workspace_id == workspace_id)).label("grouped"),
        )
        .join(Member, and_(Member.workspace_id == MemberSession.workspace_id, Member.id == MemberSession.member_id))
        .where(
            MemberSession.workspace_id == workspace_id,
            MemberSession.id == session_id,
            Member.deactivated_at.is_(None),
        )
    )
    return next(iter(rows(await db.execute(wanted))), None)


async def of_member(db: Session, workspace_id: UUID, member_id: UUID) -> Sequence[Mapping[str, Any]]:
    """A member's sessions, the newest first."""
    wanted = (
        select(*_COLUMNS, MemberSession.expires_at)
        .where(MemberSession.workspace_id == workspace_id, MemberSession.member_id == member_id)
        .order_by(MemberSession.id.desc())
    )
    return rows(await db.execute(wanted))


async def end(
    db: Session, workspace_id: UUID, member_id: UUID, *, only: UUID | None = None, but: UUID | None = None
) -> Sequence[UUID]:
    """End a member's sessions: all of them, only one, or all but one. Returns those that were ended."""
    wanted = delete(MemberSession).where(
        MemberSession.workspace_id == workspace_id, MemberSession.member_id == member_id
    )
    if only is not None:
        wanted = wanted.where(MemberSession.id == only)
    if but is not None:
        wanted = wanted.where(MemberSession.id != but)
    return (await db.scalars(wanted.returning(MemberSession.id))).all()


async def end_stale(
    db: Session, workspace_id: UUID, member_id: UUID, *, idle: timedelta, now: datetime
) -> Sequence[UUID]:
    """End those sessions of a member that open nothing any more."""
    wanted = delete(MemberSession).where(
        MemberSession.workspace_id == workspace_id,
        MemberSession.member_id == member_id,
        or_(MemberSession.expires_at <= now, MemberSession.last_used_at <= now - idle),
    )
    return (await db.scalars(wanted.returning(MemberSession.id))).all()


async def note_use(db: Session, caller: Caller, *, now: datetime) -> None:
    """Set `last_used_at`, unless it is fresh enough."""
    await db.execute(
        update(MemberSession)
        .where(MemberSession.workspace_id == caller.workspace_id, MemberSession.id == caller.session_id)
        .where(MemberSession.last_used_at < now - USED_EVERY)
        .values(last_used_at=now)
    )
