"""Which migration the database is at, and which one this release was written for."""

from functools import cache
from importlib.resources import files

from sqlalchemy import text

from app.db.base import Database


@cache
def packaged() -> str:
    """The newest migration of this release."""
    return (files("migrations") / "HEAD").read_text(encoding="utf-8").strip()


async def present(database: Database) -> str | None:
    """The migration the database is at; None before the first one. Doubles as the question whether it answers."""
    async with database.engine.begin() as session:  # as the owner: the application's role does not see this table
        if await session.scalar(text("select to_regclass('alembic_version')")) is None:
            return None
        found: str | None = await session.scalar(text("select version_num from alembic_version"))
        return found
