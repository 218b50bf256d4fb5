"""Sessions of members: sign in, see where one is signed in, sign out; and one's password."""

from uuid import UUID

from fastapi import Request, Response

from app.api import cookies, entrance
from app.api.deps import Anyone, Ref, Services, State, Stranger, Tx
from app.api.entrance import Entered
from app.api.problems import problems
from app.api.routing import Router
from app.api.schemas.base import page
from app.api.schemas.keys import WorkspaceRef
from app.api.schemas.members import MemberOut
from app.api.schemas.sessions import PasswordIn, SessionIn, SessionOpened, SessionOut, SessionPage
from app.domain import ids
from app.domain.filters import NeedsMember
from app.domain.keys import Caller
from app.domain.passwords import WeakPassword
from app.domain.team import SeveralWorkspaces, TooManyAttempts, UnknownSession, WrongCredentials
from app.services import sessions, workspaces

router = Router("sessions")

CURRENT = "current"


async def opened(
    entered: Entered, state: State, request: Request, response: Response, *, in_cookie: bool
) -> SessionOpened:
    """What somebody who just got in is answered with."""
    session = entered.session
    async with state.database.transaction(entered.workspace_id) as db:
        workspace = await workspaces.find(db, entered.workspace_id)
    if in_cookie:
        seconds = int((session.expires_at - state.now()).total_seconds())
        cookie = cookies.setting(session.text, state.settings, request.url.scheme, seconds)
        response.headers["set-cookie"] = cookie
    response.headers["cache-control"] = "no-store"
    return SessionOpened(
        id=session.session_id,
        token=None if in_cookie else session.text,
        expires_at=session.expires_at,
        workspace=WorkspaceRef.model_validate(workspace, extra="ignore"),
        member=MemberOut.model_validate(session.member, extra="ignore"),
    )


@router.post(
    "/sessions",
    status_code=201,
    operation_id="signIn",
    responses=problems(WrongCredentials, SeveralWorkspaces, TooManyAttempts),
    dependencies=[Stranger],
)
async def sign_in(body: SessionIn, request: Request, response: Response, state: Services) -> SessionOpened:
    """Sign in. The session lasts as long as it is used, and a month at most."""
    entered = await entrance.sign_in(state, request, slug=body.workspace, email=body.email, password=body.password)
    return await opened(entered, state, request, response, in_cookie=body.cookie)


@router.get("/sessions", operation_id="listSessions")
async def list_sessions(caller: Anyone, tx: Tx) -> SessionPage:
    """Where you are signed in, the newest first. A key is signed in nowhere."""
    if caller.member_id is None:
        return page([], None, SessionPage)
    found = await sessions.of_member(tx, caller.workspace_id, caller.member_id)
    shown = [SessionOut.model_validate({**row, "current": row["id"] == caller.session_id}) for row in found]
    return page(shown, None, SessionPage)


@router.delete("/sessions/{session}", status_code=204, operation_id="signOut", responses=problems(UnknownSession))
async def sign_out(session: Ref, caller: Anyone, tx: Tx, state: Services, request: Request, response: Response) -> None:
    """End one of your sessions; `current` is the one you are asking with."""
    member_id = caller.member_id
    if member_id is None:
        raise UnknownSession("A key has no sessions.")
    session_id = _session(session, caller)
    await sessions.end(tx, caller.workspace_id, member_id, session_id)
    state.callers.forget()
    if session_id == caller.session_id:
        response.headers["set-cookie"] = cookies.setting("", state.settings, request.url.scheme, 0)


@router.delete("/sessions", status_code=204, operation_id="signOutEverywhere")
async def sign_out_everywhere(caller: Anyone, tx: Tx, state: Services) -> None:
    """End every session of yours, this one included."""
    if caller.member_id is not None:
        await sessions.end_all(tx, caller.workspace_id, caller.member_id)
        state.callers.forget()


@router.put(
    "/me/password",
    status_code=204,
    operation_id="changePassword",
    responses=problems(WrongCredentials, WeakPassword, NeedsMember, TooManyAttempts),
)
async def change_password(body: PasswordIn, caller: Anyone, request: Request, state: Services) -> None:
    """Set another password. Every other session of yours ends."""
    await entrance.change_password(state, request, caller, current=body.current, new=body.new)


def _session(ref: str, caller: Caller) -> UUID | None:
    return caller.session_id if ref == CURRENT else ids.read("ses", ref)
