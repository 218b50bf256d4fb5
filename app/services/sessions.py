"""Sessions of members: opened with a password or an invitation, found by their secret, ended one by one or together."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from app.db import lookups, members, sessions
from app.db.base import Session
from app.domain import keys, team
from app.domain.ids import new_id
from app.domain.keys import Caller, Grant
from app.domain.team import MemberRole, UnknownSession

LONGEST_CLIENT = 200
NOT_THESE: Final = "No member signs in with this e-mail address and this password."


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long sessions last: at most, and without being used."""

    most: timedelta
    idle: timedelta


@dataclass(frozen=True, slots=True, repr=False)
class Opened:
    """A new session with its secret, for the one time it can be shown."""

    session_id: UUID
    member: Mapping[str, Any]
    text: str
    expires_at: datetime


async def whose_secret(db: Session, fingerprint: bytes) -> tuple[UUID, UUID] | None:
    """The workspace and the session behind a secret; needs no workspace: it is how one is found."""
    found = await lookups.whose(db, "session", fingerprint)
    return found[0] if found else None


async def whose_address(db: Session, email: str) -> Sequence[tuple[UUID, UUID]]:
    """The workspaces in which somebody signs in with this address, and the member there; needs no workspace."""
    return await lookups.whose(db, "email", team.address_fingerprint(email))


async def grant_of(
    db: Session, workspace_id: UUID, session_id: UUID, *, idle: timedelta, now: datetime
) -> Grant | None:
    """What a session opens now."""
    found = await sessions.person(db, workspace_id, session_id)
    if found is None or found["last_used_at"] + idle <= now:
        return None
    caller = Caller(
        workspace_id,
        None,
        session_id=session_id,
        member_id=_plain(found["member_id"]),
        role=MemberRole(found["role"]),
        groups=frozenset(_plain(group) for group in found["groups"]),
        grouped=found["grouped"],
    )
    return Grant(caller, min(found["expires_at"], found["last_used_at"] + idle))


async def open_for(
    db: Session,
    workspace_id: UUID,
    member_id: UUID,
    *,
    verified: str | None,
    client: str | None,
    lasts: Lifetime,
    now: datetime,
) -> Opened:
    """A new session of a member. Those of theirs that ended by themselves are cleared away.

    `verified` is what was stored of the password when it was checked. Raises `WrongCredentials` when the member has
    another one since, or left: whoever changes that ends the sessions there are, and must find this one among them.
    """
    if not await members.hold_password(db, workspace_id, member_id, verified):
        raise team.WrongCredentials(NOT_THESE)
    stale = await sessions.end_stale(db, workspace_id, member_id, idle=lasts.idle, now=now)
    await lookups.remove(db, workspace_id, stale)
    member = await members.one(db, workspace_id, member_id=member_id, email="")
    if member is None:
        raise team.WrongCredentials(NOT_THESE)
    text, id_, ends = keys.token("ses", secrets.token_bytes(32)), new_id(), now + lasts.most
    name = client[:LONGEST_CLIENT] if client else None
    values = {"id": id_, "member_id": member_id, "client": name, "created_at": now, "last_used_at": now}
    await sessions.insert_new(db, workspace_id, {**values, "expires_at": ends})
    await lookups.add(db, workspace_id, "session", keys.fingerprint(text), id_)
    return Opened(id_, member, text, ends)


async def note_use(db: Session, caller: Caller, *, now: datetime) -> None:
    """Remember that a session was used, to the minute."""
    await sessions.note_use(db, caller, now=now)


async def of_member(db: Session, workspace_id: UUID, member_id: UUID) -> Sequence[Mapping[str, Any]]:
    """Where a member is signed in, the newest first."""
    return await sessions.of_member(db, workspace_id, member_id)


async def end(db: Session, workspace_id: UUID, member_id: UUID, session_id: UUID | None) -> None:
    """Sign out one session of a member. Raises `UnknownSession`."""
    ended = await sessions.end(db, workspace_id, member_id, only=session_id) if session_id is not None else ()
    if not ended:
        raise UnknownSession("You have no such session; GET /api/v1/sessions lists those you have.")
    await lookups.remove(db, workspace_id, ended)


async def end_all(db: Session, workspace_id: UUID, member_id: UUID, *, but: UUID | None = None) -> None:
    """Sign a member out everywhere, except perhaps where they are just now."""
    await lookups.remove(db, workspace_id, await sessions.end(db, workspace_id, member_id, but=but))


def _plain(driver: UUID) -> UUID:
    """The driver's own kind of UUID cannot be written as JSON."""
    return UUID(int=driver.int)
