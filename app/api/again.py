"""Transactions that meet others on their way through many tables."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar
from uuid import UUID

from app.api.deps import State
from app.db.base import Session, may_run_again
from app.domain.errors import Unavailable

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
                raise Unavailable("Others kept writing the same rows; ask again.", retry_after=1) from error
    raise AssertionError
