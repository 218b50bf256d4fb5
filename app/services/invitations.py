"""Asking someone to sign in: with a secret that is shown once, and works once, for some days."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from app.db import invitations, lookups, members, workspaces
from app.db.base import Session
from app.domain import ids, keys
from app.domain.team import InvitationOver, MemberRole, UnknownInvitation, address_fingerprint
from app.services import members as staff
from app.services import staffing
from app.services.members import EmailTaken

LASTS: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True, repr=False)
class Invited:
    """An invitation with its secret, for the one time it can be shown."""

    row: Mapping[str, Any]
    text: str


async def whose_secret(db: Session, fingerprint: bytes) -> tuple[UUID, UUID] | None:
    """The workspace and the invitation behind a secret; needs no workspace: it is how one is found."""
    found = await lookups.whose(db, "invitation", fingerprint)
    return found[0] if found else None


async def invite(db: Session, workspace_id: UUID, *, email: str, role: MemberRole, by: str, now: datetime) -> Invited:
    """Invite someone, who is a member from now on and signs in once they accept. An earlier invitation is revoked.

    Raises `EmailTaken` for who signs in already, `NoSeatLeft`, `LastAdmin`.
    """
    await workspaces.take_turn(db, workspace_id)  # seats are counted one after the other
    await staffing.expect(db, workspace_id)
    await members.lock_email(db, workspace_id, email)
    known = await members.one(db, workspace_id, member_id=None, email=email)
    if known is not None and known["signs_in"] and known["deactivated_at"] is None:
        raise EmailTaken("This member signs in already.", member=ids.show("mem", known["id"]))
    await staff.take_seat(db, workspace_id, role, but=known["id"] if known else None)
    if known is None:
        member_id, name = ids.new_id(), email.partition("@")[0]
        values = {"id": member_id, "email": email, "name": name, "role": role.value, "created_at": now}
        await members.insert_new(db, workspace_id, values)
    else:
        member_id = known["id"]
        await members.change(
            db, workspace_id, member_id, {"role": role.value, "deactivated_at": None, "password_hash": None}
        )
        await invitations.revoke_of(db, workspace_id, member_id, now=now)
    await staffing.welcome(db, workspace_id, await staff.find(db, workspace_id, email))
    id_ = ids.new_id()
    values = {"id": id_, "member_id": member_id, "invited_by": by, "created_at": now, "expires_at": now + LASTS}
    await invitations.insert_new(db, workspace_id, values)
    return await _issue(db, workspace_id, id_, now=now)


async def resend(db: Session, workspace_id: UUID, invitation_id: UUID | None, *, now: datetime) -> Invited:
    """A new secret, and time for it; the one before opens nothing now. Raises `UnknownInvitation`, `InvitationOver`."""
    await _waiting(db, workspace_id, invitation_id, now=now)
    assert invitation_id is not None  # noqa: S101 - or it were unknown
    await lookups.remove(db, workspace_id, [invitation_id])
    await invitations.change(db, workspace_id, invitation_id, {"expires_at": now + LASTS})
    return await _issue(db, workspace_id, invitation_id, now=now)


async def revoke(db: Session, workspace_id: UUID, invitation_id: UUID | None, *, now: datetime) -> None:
    """It opens nothing now. Repeating it is harmless. Raises `UnknownInvitation`, `InvitationOver` once accepted."""
    found = await find(db, workspace_id, invitation_id, now=now, lock=True)
    if found["accepted_at"] is not None:
        raise InvitationOver("It was accepted; remove the member instead.")
    if found["revoked_at"] is None:
        await invitations.change(db, workspace_id, found["id"], {"revoked_at": now})
        await lookups.remove(db, workspace_id, [found["id"]])


async def find(
    db: Session, workspace_id: UUID, invitation_id: UUID | None, *, now: datetime, lock: bool = False
) -> Mapping[str, Any]:
    """One invitation. Raises `UnknownInvitation`."""
    found = None
    if invitation_id is not None:
        found = await invitations.one(db, workspace_id, invitation_id, now=now, lock=lock)
    if found is None:
        raise UnknownInvitation("There is no such invitation.")
    return found


async def page(
    db: Session, workspace_id: UUID, *, before: UUID | None, limit: int, now: datetime
) -> Sequence[Mapping[str, Any]]:
    """Invitations, the newest first."""
    return await invitations.page(db, workspace_id, before=before, limit=limit, now=now)


async def accept(
    db: Session, workspace_id: UUID, invitation_id: UUID, *, name: str, password_hash: str, now: datetime
) -> UUID:
    """Take it up: the member has a name and a password from now on. Returns who it is. Raises `UnknownInvitation`."""
    found = await find(db, workspace_id, invitation_id, now=now, lock=True)
    if found["status"] != "pending":
        raise UnknownInvitation("This invitation was used, revoked or has expired. Ask for another one.")
    member_id: UUID = found["member_id"]
    await members.change(db, workspace_id, member_id, {"name": name, "password_hash": password_hash})
    await invitations.change(db, workspace_id, invitation_id, {"accepted_at": now})
    await lookups.remove(db, workspace_id, [invitation_id, member_id])
    await lookups.add(db, workspace_id, "email", address_fingerprint(found["email"]), member_id)
    return member_id


async def _waiting(db: Session, workspace_id: UUID, invitation_id: UUID | None, *, now: datetime) -> None:
    found = await find(db, workspace_id, invitation_id, now=now, lock=True)
    if found["status"] in {"accepted", "revoked"}:
        raise InvitationOver(f"It was {found['status']}; make a new one if there is need.")


async def _issue(db: Session, workspace_id: UUID, invitation_id: UUID, *, now: datetime) -> Invited:
    text = keys.token("inv", secrets.token_bytes(32))
    await lookups.add(db, workspace_id, "invitation", keys.fingerprint(text), invitation_id)
    return Invited(await find(db, workspace_id, invitation_id, now=now), text)
