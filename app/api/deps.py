"""All an endpoint may ask for: who calls, a transaction in their workspace, the time, and its place in a list."""

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

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
from app.db.base import Database, Session
from app.domain.keys import Caller, MissingKey, Scope
from app.domain.secrets import Keyring
from app.settings import Settings

ASGIScope = MutableMapping[str, Any]


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
    wake: Callable[[], None]
    bell_answers: Callable[[], Awaitable[bool | None]]


def state_of(scope: ASGIScope) -> State:
    """The process's state, for code that works on the bare ASGI scope."""
    state: State = scope["app"].state.steward
    return state


def caller_of(scope: ASGIScope, needed: Scope | None = None) -> Caller:
    """Who calls, once the middleware has checked the key; refused without the scope this needs."""
    caller: Caller | None = scope.get("steward.caller")
    if caller is None:
        raise MissingKey("Send the key as `Authorization: Bearer stw_…`.")
    if needed is not None:
        caller.require(needed)
    return caller


@dataclass(frozen=True, slots=True)
class Needs:
    """The dependency that lets only keys with a scope through; None: any key."""

    scope: Scope | None

    async def __call__(self, request: Request) -> Caller:
        """The caller; MissingKey or InsufficientScope otherwise."""
        return caller_of(request.scope, self.scope)


Anyone = Annotated[Caller, Depends(Needs(None))]
Reader = Annotated[Caller, Depends(Needs(Scope.READ))]
Admin = Annotated[Caller, Depends(Needs(Scope.ADMIN))]
Sender = Annotated[Caller, Depends(Needs(Scope.INGEST))]


async def _services(request: Request) -> State:
    return state_of(request.scope)


Services = Annotated[State, Depends(_services)]


async def _transaction(request: Request) -> AsyncIterator[Session]:
    caller = caller_of(request.scope)
    async with state_of(request.scope).database.transaction(caller.workspace_id) as session:
        yield session


# Without scope="function" the commit would run after the answer has left.
Tx = Annotated[Session, Depends(_transaction, scope="function")]


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
