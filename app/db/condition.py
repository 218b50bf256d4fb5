"""How a database is doing, seen from outside and before it has a schema: for `steward start` and `steward doctor`."""

from dataclasses import dataclass

import asyncpg
from sqlalchemy.engine import make_url

from app.db.base import CONNECT_SECONDS, ROLE


@dataclass(frozen=True, slots=True)
class Condition:
    """`revision` is None before the first migration; `has_role` is whether the application's own role exists."""

    version: int
    revision: str | None
    has_role: bool
    may_become_role: bool


async def look(url: str) -> Condition:
    """Connect once and tell; raises OSError or a driver error when that cannot be done."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(plain, timeout=CONNECT_SECONDS)
    try:
        has_table = await connection.fetchval("select to_regclass('alembic_version') is not null")
        revision = await connection.fetchval("select max(version_num) from alembic_version") if has_table else None
        has_role = await connection.fetchval("select exists(select from pg_roles where rolname = $1)", ROLE)
        member = has_role and await connection.fetchval("select pg_has_role(current_user, $1, 'member')", ROLE)
        return Condition(connection.get_server_version().major, revision, bool(has_role), bool(member))
    finally:
        await connection.close()
