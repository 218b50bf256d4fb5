"""All an endpoint may ask for: who calls, a transaction in their workspace, the time, and its place in a list."""

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import Depends, Path, Query, Request

from app.api.callers import Callers
from app.api.group_commit import GroupCommit
from app.api.holds import Holds
from app.api.limiter import Limiter
from app.api.metrics import Metrics
from app.api.paging import Paging
from app.api.pressure import Pressure
from app.api.reception import Reception
from app.api.shelf import Shelf
from app.api.usage import Usage
from app.api.writes import around
from app.db.base import Database, Session
from app.db.replica import Replicas
from app.domain import ids
from app.domain.keys import Caller, MissingKey
from app.domain.secrets import Keyring
from app.domain.team import ALLOWED, Permission, Scope
from app.services import accounts, organizations, users
from app.settings import Settings

ASGIScope = MutableMapping[str, Any]

FINDERS: Final = {
    "account": ("acc", accounts.find),
    "user": ("usr", users.find),
    "organization": ("org", organizations.find),
}
"""What parameters of paths are called that name a record, how ids of such begin, and where they are found."""


@dataclass(slots=True)
class State:
    """What lives as long as the process: connections, keys, the clock, the bell, what is remembered for a while."""

    settings: Settings
    database: Database
    keyring: Keyring
    cursor_key: bytes
    now: Callable[[], datetime]
    callers: Callers
    usage: Usage
    holds: Holds
    limiter: Limiter
    pressure: Pressure
    metrics: Metrics
    commits: GroupCommit
    reception: Reception
    shelf: Shelf
    replicas: Replicas
    wake: Callable[[], None]
    bell_answers: Callable[[], Awaitable[bool | None]]

    def transaction(self, caller: Caller) -> AbstractAsyncContextManager[Session]:
        """One transaction in the caller's workspace, which sees what the caller may see."""
        return self.database.transaction(caller.workspace_id, groups=caller.veil)

    def frozen_transaction(self, caller: Caller) -> AbstractAsyncContextManager[Session]:
        """The same, to read as of one moment."""
        return self.database.frozen_transaction(caller.workspace_id, groups=caller.veil)


def state_of(scope: ASGIScope) -> State:
    """The process's state, for code that works on the bare ASGI scope."""
    state: State = scope["app"].state.steward
    return state


def caller_of(scope: ASGIScope, needed: Permission | None = None) -> Caller:
    """Who calls, once the middleware has checked key or session; refused without the permission this needs."""
    caller: Caller | None = scope.get("steward.caller")
    if caller is None:
        raise MissingKey("Send the key as `Authorization: Bearer stw_…`.")
    if needed is not None:
        caller.require(needed)
    return caller


@dataclass(frozen=True, slots=True)
class Needs:
    """The dependency that lets only those with a permission through; None: whoever is known."""

    permission: Permission | None

    @property
    def scope(self) -> Scope | None:
        """The scope that gives this permission to keys."""
        return None if self.permission is None else ALLOWED[self.permission].scope

    @property
    def writes(self) -> bool:
        """Whether a route that needs this changes anything, whatever its method."""
        return self.scope is not Scope.READ

    @property
    def configures(self) -> bool:
        """Whether what it allows bears on the whole workspace, whatever the caller sees of it."""
        return self.permission is not None and ALLOWED[self.permission].configures

    async def __call__(self, request: Request) -> Caller:
        """The caller; MissingKey, InsufficientScope or NotPermitted otherwise; 404 where they may see nothing."""
        caller = caller_of(request.scope, self.permission)
        if caller.veil is not None:
            await _see(request, caller)
        return caller


async def _see(request: Request, caller: Caller) -> None:
    """What the path names is there for this caller: said once for all routes, whatever they do with it.

    From here on the path names it by our id: what is done without the veil is done to what was found behind it.
    """
    for name, (prefix, find) in FINDERS.items():
        if name in request.path_params:
            async with state_of(request.scope).transaction(caller) as db:
                found = await find(db, caller.workspace_id, request.path_params[name])
            request.path_params[name] = ids.show(prefix, found)


# One name per permission (see `domain.team.ALLOWED`): every route takes exactly one of them.
Anyone = Annotated[Caller, Depends(Needs(None))]
Reader = Annotated[Caller, Depends(Needs(Permission.VIEW_DATA))]
ViewSaver = Annotated[Caller, Depends(Needs(Permission.SAVE_VIEWS))]
ViewPublisher = Annotated[Caller, Depends(Needs(Permission.PUBLISH_VIEWS))]
TraitEditor = Annotated[Caller, Depends(Needs(Permission.EDIT_TRAITS))]
SegmentEditor = Annotated[Caller, Depends(Needs(Permission.CHANGE_SEGMENTS))]
TraitDefiner = Annotated[Caller, Depends(Needs(Permission.DEFINE_TRAITS))]
Assigner = Annotated[Caller, Depends(Needs(Permission.ASSIGN_ROLES))]
AccountMaker = Annotated[Caller, Depends(Needs(Permission.CREATE_ACCOUNTS))]
StatusChanger = Annotated[Caller, Depends(Needs(Permission.CHANGE_STATUS))]
UserMaker = Annotated[Caller, Depends(Needs(Permission.CREATE_USERS))]
Deleter = Annotated[Caller, Depends(Needs(Permission.DELETE_CUSTOMERS))]
DeletionReader = Annotated[Caller, Depends(Needs(Permission.VIEW_DELETIONS))]
Addresser = Annotated[Caller, Depends(Needs(Permission.ADDRESS_INDICATORS))]
RuleMaker = Annotated[Caller, Depends(Needs(Permission.MANAGE_RULES))]
RawReader = Annotated[Caller, Depends(Needs(Permission.VIEW_RAW_DATA))]
Sender = Annotated[Caller, Depends(Needs(Permission.INGEST))]
Integrator = Annotated[Caller, Depends(Needs(Permission.MANAGE_INTEGRATIONS))]
TeamManager = Annotated[Caller, Depends(Needs(Permission.MANAGE_TEAM))]
Admin = Annotated[Caller, Depends(Needs(Permission.MANAGE_WORKSPACE))]


async def _services(request: Request) -> State:
    return state_of(request.scope)


Services = Annotated[State, Depends(_services)]


async def _nobody() -> None:
    """For the routes where somebody is about to say who they are (see `lanes.KEYLESS`)."""


Stranger = Depends(_nobody)


async def transaction(request: Request) -> AsyncIterator[Session]:
    """The request's transaction, with what belongs around a write (see `writes`)."""
    caller, state = caller_of(request.scope), state_of(request.scope)
    route = request.scope["route"]
    veil = None if route.configures else caller.veil
    async with (
        state.database.transaction(caller.workspace_id, groups=veil) as session,
        around(request, caller, session, state.keyring, now=state.now(), writes=route.writes),
    ):
        yield session


# Without scope="function" the commit would run after the answer has left.
Tx = Annotated[Session, Depends(transaction, scope="function")]


async def _now(request: Request) -> datetime:
    return state_of(request.scope).now()


Now = Annotated[datetime, Depends(_now)]

Limit = Annotated[int, Query(ge=1, le=200, description="How many rows a page has at most.")]
CursorIn = Annotated[
    str | None, Query(alias="cursor", max_length=2000, description="`nextCursor` of the page before this one.")
]


async def _paging(request: Request, limit: Limit = 50, cursor: CursorIn = None) -> Paging:
    caller = caller_of(request.scope)
    return Paging(limit, cursor, caller.workspace_id, state_of(request.scope).cursor_key)


Paged = Annotated[Paging, Depends(_paging)]
"""`limit` and `cursor` together; see `Paging` for how to use them."""

Ref = Annotated[str, Path(min_length=1, max_length=800)]
"""A reference in a path: an id of ours, or the customer's own."""
