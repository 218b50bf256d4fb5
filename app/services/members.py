"""The workspace's own staff: those who can hold a key role or be told about an indicator."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import key_roles, marks, members
from app.db.base import Session
from app.domain import ids
from app.domain.errors import Conflict, NotFound, Rejected


class UnknownMember(NotFound):
    """There is no such member in this workspace."""

    code = "unknown_member"


class EmailTaken(Conflict):
    """Another member has this e-mail address."""

    code = "email_taken"


class MemberDeactivated(Rejected):
    """The member has left."""

    code = "member_deactivated"


async def find(db: Session, workspace_id: UUID, ref: str) -> Mapping[str, Any]:
    """The member behind `mem_…` or an e-mail address. Raises `UnknownMember`."""
    found = await members.one(db, workspace_id, member_id=ids.read("mem", ref), email=ref)
    if found is None:
        raise UnknownMember("No member has this id or e-mail address.")
    return found


async def find_active(db: Session, workspace_id: UUID, ref: str) -> Mapping[str, Any]:
    """The same, of those who can be given work. Raises `UnknownMember`, `MemberDeactivated`."""
    found = await find(db, workspace_id, ref)
    if found["deactivated_at"] is not None:
        raise MemberDeactivated("Add the member again to give them work.", member=ids.show("mem", found["id"]))
    return found


async def add(db: Session, workspace_id: UUID, *, email: str, name: str, now: datetime) -> Mapping[str, Any]:
    """Add someone, or take back someone who left. Raises `EmailTaken`."""
    await members.lock_email(db, workspace_id, email)
    known = await members.one(db, workspace_id, member_id=None, email=email)
    if known is not None and known["deactivated_at"] is None:
        raise EmailTaken("A member with this e-mail address exists.", member=ids.show("mem", known["id"]))
    if known is not None:
        await members.change(db, workspace_id, known["id"], {"email": email, "name": name, "deactivated_at": None})
    else:
        values = {"id": ids.new_id(), "email": email, "name": name, "created_at": now}
        await members.insert_new(db, workspace_id, values)
    return await find(db, workspace_id, email)


async def change(
    db: Session, workspace_id: UUID, ref: str, *, email: str | None, name: str | None
) -> Mapping[str, Any]:
    """Correct name or e-mail address. Raises `UnknownMember`, `EmailTaken`."""
    member = await find(db, workspace_id, ref)
    values = {key: value for key, value in (("email", email), ("name", name)) if value is not None}
    if email is not None:
        await members.lock_email(db, workspace_id, email)
        holder = await members.one(db, workspace_id, member_id=None, email=email)
        if holder is not None and holder["id"] != member["id"]:
            raise EmailTaken("A member with this e-mail address exists.", member=ids.show("mem", holder["id"]))
    if values:
        await members.change(db, workspace_id, member["id"], values)
    return await find(db, workspace_id, ids.show("mem", member["id"]))


async def deactivate(db: Session, workspace_id: UUID, ref: str, *, now: datetime) -> None:
    """Someone leaves: their roles become free, and their accounts are evaluated anew. Safe to repeat.

    Raises `UnknownMember`.
    """
    member = await find(db, workspace_id, ref)
    if member["deactivated_at"] is None:
        await members.change(db, workspace_id, member["id"], {"deactivated_at": now})
    await marks.mark(db, workspace_id, await key_roles.release_all(db, workspace_id, member["id"]))


async def page(
    db: Session, workspace_id: UUID, *, after: UUID | None, limit: int, deactivated: bool
) -> Sequence[Mapping[str, Any]]:
    """Members in the order they were added."""
    return await members.page(db, workspace_id, after=after, limit=limit, deactivated=deactivated)
