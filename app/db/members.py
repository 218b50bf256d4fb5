"""The workspace's own staff as rows."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, insert, literal, or_, select, true, update

from app.db.base import Session, rows
from app.domain.models import Invitation, Member
from app.domain.team import MemberRole

_TABLE = Member.__table__
_SHOWN = [column for column in _TABLE.columns if column.name != "password_hash"]
_SIGNS_IN = _TABLE.c.password_hash.is_not(None)
_INVITED = exists(
    select(1).where(
        Invitation.workspace_id == _TABLE.c.workspace_id,
        Invitation.member_id == _TABLE.c.id,
        Invitation.accepted_at.is_(None),
        Invitation.revoked_at.is_(None),
    )
)
_STATUS = case(
    (_TABLE.c.deactivated_at.is_not(None), "deactivated"),
    (and_(~_SIGNS_IN, _INVITED), "invited"),
    else_="active",
)


def _in(workspace_id: UUID) -> Select[Any]:
    shown = (*_SHOWN, _STATUS.label("status"), _SIGNS_IN.label("signs_in"))
    return select(*shown).where(_TABLE.c.workspace_id == workspace_id)


async def one(db: Session, workspace_id: UUID, *, member_id: UUID | None, email: str) -> Mapping[str, Any] | None:
    """The member with this id, else the one with this e-mail address, in whatever case."""
    if member_id is not None and (found := rows(await db.execute(_in(workspace_id).where(_TABLE.c.id == member_id)))):
        return found[0]
    found = rows(await db.execute(_in(workspace_id).where(func.lower(_TABLE.c.email) == func.lower(email))))
    return found[0] if found else None


async def lock_email(db: Session, workspace_id: UUID, email: str) -> None:
    """Let one transaction at a time decide who has this e-mail address."""
    await db.execute(
        select(func.pg_advisory_xact_lock(func.hashtext(str(workspace_id)), func.hashtext(func.lower(email))))
    )


async def insert_new(db: Session, workspace_id: UUID, values: Mapping[str, Any]) -> None:
    """Store a new member."""
    await db.execute(insert(Member).values(workspace_id=workspace_id, **values))


async def change(db: Session, workspace_id: UUID, member_id: UUID, values: Mapping[str, Any]) -> None:
    """Write these columns of a member."""
    await db.execute(
        update(Member).where(_TABLE.c.workspace_id == workspace_id, _TABLE.c.id == member_id).values(**values)
    )


async def page(
    db: Session, workspace_id: UUID, *, after: UUID | None, limit: int, deactivated: bool
) -> Sequence[Mapping[str, Any]]:
    """Members in the order they were added; those who left only when asked for."""
    query = _in(workspace_id).order_by(_TABLE.c.id).limit(limit)
    if after is not None:
        query = query.where(_TABLE.c.id > after)
    if not deactivated:
        query = query.where(_TABLE.c.deactivated_at.is_(None))
    return rows(await db.execute(query))


async def password_of(db: Session, workspace_id: UUID, member_id: UUID) -> str | None:
    """What is stored of a member's password; None for those who left or never had one."""
    wanted = select(_TABLE.c.password_hash).where(
        _TABLE.c.workspace_id == workspace_id, _TABLE.c.id == member_id, _TABLE.c.deactivated_at.is_(None)
    )
    return (await db.execute(wanted)).scalar_one_or_none()


async def hold_password(db: Session, workspace_id: UUID, member_id: UUID, verified: str | None) -> bool:
    """Whether a member is still here with this password; if so, neither changes until the transaction ends."""
    wanted = select(_TABLE.c.id).where(*_still(workspace_id, member_id, verified))
    return (await db.execute(wanted.with_for_update(read=True))).first() is not None


async def set_password(db: Session, workspace_id: UUID, member_id: UUID, stored: str, *, verified: str) -> bool:
    """Replace a password, unless another took its place or the member left in between; whether it was replaced."""
    wanted = update(Member).where(*_still(workspace_id, member_id, verified)).values(password_hash=stored)
    return (await db.execute(wanted.returning(_TABLE.c.id))).first() is not None


def _still(workspace_id: UUID, member_id: UUID, verified: str | None) -> Sequence[ColumnElement[bool]]:
    return (
        _TABLE.c.workspace_id == workspace_id,
        _TABLE.c.id == member_id,
        _TABLE.c.deactivated_at.is_(None),
        _TABLE.c.password_hash.is_not_distinct_from(verified),
    )


async def seats_taken(db: Session, workspace_id: UUID, *, but: UUID | None = None) -> int:
    """Members besides observers who sign in or are invited to; whether `but` is one of them does not count."""
    mine = true() if but is None else _TABLE.c.id != but
    wanted = (
        select(func.count())
        .select_from(_TABLE)
        .where(_TABLE.c.workspace_id == workspace_id, _TABLE.c.deactivated_at.is_(None), mine)
        .where(_TABLE.c.role != literal(MemberRole.OBSERVER.value), or_(_SIGNS_IN, _INVITED))
    )
    return (await db.execute(wanted)).scalar_one()


async def has_other_admin(db: Session, workspace_id: UUID, member_id: UUID) -> bool:
    """Whether another admin can sign in."""
    wanted = select(_TABLE.c.id).where(
        _TABLE.c.workspace_id == workspace_id,
        _TABLE.c.id != member_id,
        _TABLE.c.deactivated_at.is_(None),
        _TABLE.c.role == MemberRole.ADMIN.value,
        _SIGNS_IN,
    )
    return (await db.execute(wanted.limit(1))).first() is not None
