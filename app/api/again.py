"""Transactions that meet others on their way through many tables."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final, TypeVar
from uuid import UUID

from fastapi import Depends, Request

from app.api.deps import State, caller_of, state_of
from app.api.writes import around
from app.db.base import Session, may_run_again
from app.domain.errors import HINDERED, Unavailable

TRIES: Final = 4

Found = TypeVar("Found")


async def until_unhindered(state: State, workspace_id: UUID, work: Callable[[Session], Awaitable[Found]]) -> Found:
    """Do `work` in a transaction, and the whole of it anew when it lost a race. Raises `Unavailable` in the end."""
    for attempt in range(1, TRIES + 1):
        try:
            async with state.database.transaction(workspace_id) as db:
                return await work(db)
        except Exception as error:
            if not may_run_again(error):
                raise
            if attempt == TRIES:
                raise Unavailable(HINDERED, retry_after=1) from error
    raise AssertionError


class Door:
    """A write that answers nothing, in as many transactions as it takes, with what belongs around one (`writes`)."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._caller, self._state = caller_of(request.scope), state_of(request.scope)

    async def do(self, work: Callable[[Session], Awaitable[None]]) -> None:
        """Do `work` once. Raises what it raises, and `Unavailable`."""

        async def once(db: Session) -> None:
            state = self._state
            async with around(self._request, self._caller, db, state.keyring, now=state.now(), writes=True):
                await work(db)

        await until_unhindered(self._state, self._caller.workspace_id, once)


async def door(request: Request) -> Door:
    """The way in for routes that meet others; it takes the place of `deps.Tx`."""
    return Door(request)


Unhindered = Annotated[Door, Depends(door)]
