"""How a database is doing, seen from outside and before it has a schema: for `steward start` and `steward doctor`."""

from dataclasses import dataclass

import asyncpg
from asyncpg.exceptions import PostgresError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from app.db.base import CONNECT_SECONDS, ROLE


@dataclass(frozen=True, slots=True)
class Condition:
    """`revision` is None before the first migration; `has_role` is whether the application's own role exists."""

    version: int
    revision: str | None
    has_role: bool
    may_become_role: bool


def why(error: Exception) -> str | None:
    """What is wrong with the database, in words; None for an error that is not about it."""
    if isinstance(error, ArgumentError):
        return "STEWARD_DATABASE_URL is not a URL of the form postgresql://user:password@host:5432/database."
    if isinstance(error, DBAPIError):
        return f"The database refused: {str(error.orig).rpartition('>: ')[2]}"
    if isinstance(error, PostgresError):
        return f"The database refused: {error}"
    if isinstance(error, OSError):  # a refused connection, a timeout, a socket that is not there
        return f"The database cannot be reached: {error or type(error).__name__}"
    return None


async def look(url: str) -> Condition:
    """Connect once and tell; raises OSError or a driver error when that cannot be done."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(plain, timeout=CONNECT_SECONDS)
    try:
        has_table = await connection.fetchval("select to_regclass('alembic_version') is not null")
        revision = await connection.fetchval("select max(version_num) from alembic_version") if has_table else None
        has_role = await connection.fetchval("select exists(select from pg_roles where rolname = $1)", ROLE)
        version = connection.get_server_version().major
        right = "set" if version >= 16 else "member"
        may = has_role and await connection.fetchval("select pg_has_role(current_user, $1, $2)", ROLE, right)
        return Condition(version, revision, bool(has_role), bool(may))
    finally:
        await connection.close()
