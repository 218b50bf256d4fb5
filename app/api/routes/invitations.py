"""Invitations: how somebody of the team gets a password."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Request, Response

from app.api import entrance
from app.api.deps import Now, Paged, Services, Stranger, TeamManager, Tx
from app.api.problems import problems
from app.api.routes.sessions import opened
from app.api.routing import Router
from app.api.schemas.base import page
from app.api.schemas.sessions import (
    AcceptIn,
    InvitationIn,
    InvitationIssued,
    InvitationOut,
    InvitationPage,
    SessionOpened,
)
from app.domain import ids
from app.domain.cursors import InvalidCursor
from app.domain.passwords import WeakPassword
from app.domain.team import InvitationOver, MemberRole, NoSeatLeft, TooManyAttempts, UnknownInvitation
from app.services import invitations
from app.services.invitations import Invited
from app.services.members import EmailTaken

router = Router("invitations")

InvitationPath = Annotated[str, Path(description="The invitation's id.")]
LINKS = {
    name: {"operationId": name, "parameters": {"invitation": "$response.body#/id"}}
    for name in ("getInvitation", "resendInvitation", "revokeInvitation")
}


def _id(invitation: str) -> UUID | None:
    return ids.read("inv", invitation)


def _shown(row: Mapping[str, Any]) -> InvitationOut:
    return InvitationOut.model_validate(row, extra="ignore")


def _issued(made: Invited) -> InvitationIssued:
    return InvitationIssued.model_validate({**made.row, "token": made.text}, extra="ignore")


@router.post(
    "/invitations",
    status_code=201,
    operation_id="inviteMember",
    responses={201: {"links": LINKS}, **problems(EmailTaken, NoSeatLeft)},
)
async def invite_member(body: InvitationIn, caller: TeamManager, tx: Tx, now: Now) -> InvitationIssued:
    """Invite someone, who is a member from now on. Give them the token: it is shown this once, and works for a week."""
    role = MemberRole(body.role)
    return _issued(
        await invitations.invite(tx, caller.workspace_id, email=body.email, role=role, by=caller.actor, now=now)
    )


@router.post(
    "/invitations/accept",
    status_code=201,
    operation_id="acceptInvitation",
    responses=problems(UnknownInvitation, WeakPassword, TooManyAttempts),
    dependencies=[Stranger],
)
async def accept_invitation(body: AcceptIn, request: Request, response: Response, state: Services) -> SessionOpened:
    """Take up an invitation: choose a password, and be signed in."""
    entered = await entrance.accept(state, request, token=body.token, name=body.name, password=body.password)
    return await opened(entered, state, request, response, in_cookie=body.cookie)


@router.get("/invitations", operation_id="listInvitations", responses=problems(InvalidCursor))
async def list_invitations(caller: TeamManager, tx: Tx, paging: Paged, now: Now) -> InvitationPage:
    """Invitations, the newest first."""
    after = paging.after("invitations")
    found = await invitations.page(
        tx, caller.workspace_id, before=after[0] if after else None, limit=paging.fetch, now=now
    )
    rows, cursor = paging.cut(found, "invitations", lambda row: [row["id"]])
    return page([_shown(row) for row in rows], cursor, InvitationPage)


@router.get("/invitations/{invitation}", operation_id="getInvitation", responses=problems(UnknownInvitation))
async def get_invitation(invitation: InvitationPath, caller: TeamManager, tx: Tx, now: Now) -> InvitationOut:
    """One invitation, without its token."""
    return _shown(await invitations.find(tx, caller.workspace_id, _id(invitation), now=now))


@router.post(
    "/invitations/{invitation}/resend",
    operation_id="resendInvitation",
    responses=problems(UnknownInvitation, InvitationOver),
)
async def resend_invitation(invitation: InvitationPath, caller: TeamManager, tx: Tx, now: Now) -> InvitationIssued:
    """A new token and another week; the token before it works no more."""
    return _issued(await invitations.resend(tx, caller.workspace_id, _id(invitation), now=now))


@router.post(
    "/invitations/{invitation}/revoke",
    operation_id="revokeInvitation",
    responses=problems(UnknownInvitation, InvitationOver),
)
async def revoke_invitation(invitation: InvitationPath, caller: TeamManager, tx: Tx, now: Now) -> InvitationOut:
    """Its token works no more. Repeating it is harmless."""
    invitation_id = _id(invitation)
    await invitations.revoke(tx, caller.workspace_id, invitation_id, now=now)
    return _shown(await invitations.find(tx, caller.workspace_id, invitation_id, now=now))
