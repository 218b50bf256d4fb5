"""The workspace's own staff: those who can hold a key role, be told about an indicator, and perhaps sign in."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import invitations, lookups, members, workspaces
from app.db.base import Session
from app.domain import ids
from app.domain.errors import Conflict, NotFound
from app.domain.roles import MemberDeactivated
from app.domain.team import LastAdmin, MemberRole, NoSeatLeft, WrongCredentials, address_fingerprint
from app.services import sessions, staffing


class UnknownMember(NotFound):
    """There is no such member in this workspace."""

    code = "unknown_member"


class EmailTaken(Conflict):
    """Another member has this e-mail address."""

    code = "email_taken"


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


async def add(
    db: Session, workspace_id: UUID, *, email: str, name: str, role: MemberRole = MemberRole.TEAM_MEMBER, now: datetime
) -> Mapping[str, Any]:
    """Add someone, or take back someone who left. They need an invitation to sign in. Raises `EmailTaken`."""
    await staffing.expect(db, workspace_id)
    await members.lock_email(db, workspace_id, email)
    known = await members.one(db, workspace_id, member_id=None, email=email)
    if known is not None and known["deactivated_at"] is None:
        raise EmailTaken("A member with this e-mail address exists.", member=ids.show("mem", known["id"]))
    if known is not None:
        back = {"email": email, "name": name, "role": role.value, "deactivated_at": None, "password_hash": None}
        await members.change(db, workspace_id, known["id"], back)
    else:
        values = {"id": ids.new_id(), "email": email, "name": name, "role": role.value, "created_at": now}
        await members.insert_new(db, workspace_id, values)
    found = await find(db, workspace_id, email)
    await staffing.welcome(db, workspace_id, found)
    return found


async def change(
    db: Session, workspace_id: UUID, ref: str, *, email: str | None, name: str | None, role: MemberRole | None = None
) -> Mapping[str, Any]:
    """Correct name or e-mail address, or give another role.

    Raises `UnknownMember`, `EmailTaken`, `LastAdmin`, `NoSeatLeft`.
    """
    await workspaces.take_turn(db, workspace_id)  # of two who demote each other, the later one finds the other demoted
    member = await find(db, workspace_id, ref)
    values: dict[str, Any] = {key: value for key, value in (("email", email), ("name", name)) if value is not None}
    if email is not None:
        await staffing.expect(db, workspace_id)
        await _take_address(db, workspace_id, member, email)
    if role is not None and role != member["role"]:
        values["role"] = await _allowed_role(db, workspace_id, member, role)
    if values:
        await members.change(db, workspace_id, member["id"], values)
    found = await find(db, workspace_id, ids.show("mem", member["id"]))
    if email is not None:
        await staffing.welcome(db, workspace_id, found)
    return found


async def _take_address(db: Session, workspace_id: UUID, member: Mapping[str, Any], email: str) -> None:
    await members.lock_email(db, workspace_id, email)
    holder = await members.one(db, workspace_id, member_id=None, email=email)
    if holder is not None and holder["id"] != member["id"]:
        raise EmailTaken("A member with this e-mail address exists.", member=ids.show("mem", holder["id"]))
    if member["signs_in"]:
        await lookups.remove(db, workspace_id, [member["id"]])
        await lookups.add(db, workspace_id, "email", address_fingerprint(email), member["id"])


async def _allowed_role(db: Session, workspace_id: UUID, member: Mapping[str, Any], role: MemberRole) -> str:
    await _keep_an_admin(db, workspace_id, member)
    if member["signs_in"] or member["status"] == "invited":
        await take_seat(db, workspace_id, role, but=member["id"])
    return role.value


async def _keep_an_admin(db: Session, workspace_id: UUID, member: Mapping[str, Any]) -> None:
    if member["role"] != MemberRole.ADMIN or not member["signs_in"]:
        return
    if not await members.has_other_admin(db, workspace_id, member["id"]):
        raise LastAdmin("Nobody else who signs in is an admin: make somebody else one first.")


async def take_seat(db: Session, workspace_id: UUID, role: MemberRole, *, but: UUID | None = None) -> None:
    """See that one more may sign in; observers always may. The workspace must be locked. Raises `NoSeatLeft`."""
    workspace = await workspaces.find(db, workspace_id)
    if role is MemberRole.OBSERVER or workspace is None or workspace.seats is None:
        return
    taken = await members.seats_taken(db, workspace_id, but=but)
    if taken >= workspace.seats:
        raise NoSeatLeft(
            f"All {workspace.seats} seats are taken. Observers need none; deactivating a member frees theirs.",
            seats=workspace.seats,
        )


async def deactivate(db: Session, workspace_id: UUID, ref: str, *, by: str | None = None, now: datetime) -> None:
    """Someone leaves: they are signed out, their roles become free, and their accounts are evaluated anew.

    Safe to repeat. Raises `UnknownMember`, `LastAdmin`.
    """
    await workspaces.take_turn(db, workspace_id)
    member = await find(db, workspace_id, ref)
    await staffing.hold_held(db, workspace_id, member["id"])
    if member["deactivated_at"] is None:
        await _keep_an_admin(db, workspace_id, member)
        await members.change(db, workspace_id, member["id"], {"deactivated_at": now, "password_hash": None})
    await sessions.end_all(db, workspace_id, member["id"])
    await lookups.remove(db, workspace_id, [member["id"]])
    await invitations.revoke_of(db, workspace_id, member["id"], now=now)
    await staffing.release_all(db, workspace_id, member["id"], by=by, now=now)


async def page(
    db: Session, workspace_id: UUID, *, after: UUID | None, limit: int, deactivated: bool
) -> Sequence[Mapping[str, Any]]:
    """Members in the order they were added."""
    return await members.page(db, workspace_id, after=after, limit=limit, deactivated=deactivated)


async def password_of(db: Session, workspace_id: UUID, member_id: UUID) -> str | None:
    """What is stored of a member's password; None for those who left or never had one."""
    return await members.password_of(db, workspace_id, member_id)


async def set_password(db: Session, workspace_id: UUID, member_id: UUID, stored: str, *, verified: str | None) -> None:
    """Store another password, hashed, in place of the one that was verified.

    Raises `WrongCredentials` when that one is no longer theirs: checking takes long, and meanwhile they may have left.
    """
    if verified is None or not await members.set_password(db, workspace_id, member_id, stored, verified=verified):
        raise WrongCredentials("This is not your present password any more.")
