"""Two promises of the same thing: at most one waits, and making one ready must cope with the other arriving."""

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy.exc import IntegrityError

from app.db.base import Session, sqlstate

UNIQUE_VIOLATION = "23505"


async def past_new_twins(db: Session, statement: Callable[[], Awaitable[Any]]) -> Any:
    """Run a statement that makes jobs ready; when a twin was put just then, run it again: now it sees the twin."""
    for _ in range(5):
        try:
            async with db.begin_nested():
                return await statement()
        except IntegrityError as error:
            if sqlstate(error) != UNIQUE_VIOLATION:
                raise
    return await statement()
