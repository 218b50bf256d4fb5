"""How people get in: with a password or an invitation. Hashing takes long on purpose: no transaction is open then."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from ipaddress import ip_address
from typing import Final
from uuid import UUID

from fastapi import Request

from app.api import buckets, hashing
from app.api.deps import State
from app.domain import keys, passwords
from app.domain.audit import Entry
from app.domain.ids import show
from app.domain.keys import Caller
from app.domain.team import SeveralWorkspaces, TooManyAttempts, UnknownInvitation, WrongCredentials
from app.services import audit, invitations, members, sessions, workspaces
from app.services.sessions import Lifetime, Opened

PER_PERSON: Final = buckets.rate(6, 10)  # from one address; nobody is locked out for more than ten seconds
PER_EMAIL: Final = buckets.rate(60, 60)  # from anywhere: a stranger's attempts leave room for one's own
PER_ADDRESS: Final = buckets.rate(120, 120)  # an office, or a proxy that everybody comes through


@dataclass(frozen=True, slots=True)
class Entered:
    """Somebody is in: where, and with which session."""

    workspace_id: UUID
    session: Opened


async def sign_in(state: State, request: Request, *, slug: str | None, email: str, password: str) -> Entered:
    """Open a session. Raises `WrongCredentials`, `SeveralWorkspaces`, `TooManyAttempts`."""
    await _count(state, request, email.strip().lower())
    fitting = []
    candidates = await _candidates(state, slug, email)
    for workspace_id, member_id in candidates:
        async with state.database.transaction(workspace_id) as db:
            stored = await members.password_of(db, workspace_id, member_id)
        if await hashing.fits(password, stored):
            fitting.append((workspace_id, member_id, stored))
    if not candidates:
        await hashing.fits(password, None)
    if not fitting:
        raise WrongCredentials(sessions.NOT_THESE)
    if len(fitting) > 1:
        raise SeveralWorkspaces(
            "Say which one with `workspace`.", workspaces=await _slugs(state, [one[0] for one in fitting])
        )
    return await _enter(state, request, *fitting[0])


async def accept(state: State, request: Request, *, token: str, name: str, password: str) -> Entered:
    """Take up an invitation and sign in. Raises `UnknownInvitation`, `WeakPassword`, `TooManyAttempts`."""
    await _count(state, request, None)
    found = None
    if keys.is_token("inv", token):
        async with state.database.open_transaction() as db:
            found = await invitations.whose_secret(db, keys.fingerprint(token))
    if found is None:
        raise UnknownInvitation("This invitation was used, revoked or has expired. Ask for another one.")
    workspace_id, invitation_id = found
    async with state.database.transaction(workspace_id) as db:
        invitation = await invitations.find(db, workspace_id, invitation_id, now=state.now())
    passwords.check(password, email=invitation["email"])
    stored = await hashing.hashed(password)
    async with state.database.transaction(workspace_id) as db:
        member_id = await invitations.accept(
            db, workspace_id, invitation_id, name=name, password_hash=stored, now=state.now()
        )
        line = _line(state, request, member_id, "acceptInvitation", show("inv", invitation_id))
        await audit.record(db, workspace_id, line)
    return await _enter(state, request, workspace_id, member_id, stored)


async def change_password(state: State, request: Request, caller: Caller, *, current: str, new: str) -> None:
    """Set another password; every other session of the member ends. Raises `WrongCredentials`, `WeakPassword`."""
    member_id, workspace_id = caller.person(), caller.workspace_id
    await _count(state, request, show("mem", member_id))
    async with state.database.transaction(workspace_id) as db:
        stored = await members.password_of(db, workspace_id, member_id)
        email = (await members.find(db, workspace_id, show("mem", member_id)))["email"]
    if not await hashing.fits(current, stored):
        raise WrongCredentials("This is not your present password.")
    passwords.check(new, email=email)
    changed = await hashing.hashed(new)
    async with state.database.transaction(workspace_id) as db:
        await members.set_password(db, workspace_id, member_id, changed, verified=stored)
        await sessions.end_all(db, workspace_id, member_id, but=caller.session_id)
        line = _line(state, request, member_id, "changePassword", show("mem", member_id))
        await audit.record(db, workspace_id, line)
    state.callers.forget()


def lifetime(state: State) -> Lifetime:
    """How long sessions last here."""
    settings = state.settings
    return Lifetime(timedelta(days=settings.session_days), timedelta(hours=settings.session_idle_hours))


async def _enter(state: State, request: Request, workspace_id: UUID, member_id: UUID, verified: str | None) -> Entered:
    client = request.headers.get("user-agent")
    async with state.database.transaction(workspace_id) as db:
        opened = await sessions.open_for(
            db, workspace_id, member_id, verified=verified, client=client, lasts=lifetime(state), now=state.now()
        )
    return Entered(workspace_id, opened)


async def _candidates(state: State, slug: str | None, email: str) -> Sequence[tuple[UUID, UUID]]:
    async with state.database.open_transaction() as db:
        found = await sessions.whose_address(db, email)
        if slug is None:
            return found
        wanted = await workspaces.id_by_slug(db, slug)
    return [one for one in found if one[0] == wanted]


async def _slugs(state: State, workspace_ids: Sequence[UUID]) -> list[str]:
    found = []
    for workspace_id in workspace_ids:
        async with state.database.transaction(workspace_id) as db:
            found.append((await workspaces.find(db, workspace_id)).slug)
    return sorted(found)


async def _count(state: State, request: Request, whom: str | None) -> None:
    """One attempt of this address, and on this person. Raises `TooManyAttempts`."""
    address = network(request.client.host if request.client else "")
    limits = [(f"address:{address}", PER_ADDRESS)]
    if whom is not None:
        limits += [(f"person:{address}:{whom}", PER_PERSON), (f"email:{whom}", PER_EMAIL)]
    for name, rate in limits:
        wait = await state.limiter.attempt(UUID(bytes=sha256(name.encode()).digest()[:16]), rate)
        if wait:
            raise TooManyAttempts("Wait a little, then try again.", retry_after=wait)


def network(host: str) -> str:
    """Who has one address of version 6 has 2 to the power of 64 of them."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return host if address.version == 4 else address.exploded[:19]


def _line(state: State, request: Request, member_id: UUID, action: str, target: str) -> Entry:
    return Entry(
        at=state.now(),
        actor=show("mem", member_id),
        action=action,
        target=target,
        path=request.url.path,
        request=None,
        request_id=request.scope.get("steward.request_id"),
    )
