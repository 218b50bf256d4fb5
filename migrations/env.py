"""Runs migrations with a lock timeout, so that a busy table makes the migration wait its turn and not the writers."""

import asyncio
from typing import Any

from alembic import context
from sqlalchemy import URL, Connection, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.domain.models import Base
from app.settings import Settings

LOCK_TIMEOUT = "2s"
PARTITIONS = "events_"


def _ours(_object: Any, name: str | None, type_: str, reflected: bool, _compare_to: Any) -> bool:  # noqa: FBT001 - alembic's signature
    """Partitions of `events` and their indexes belong to their parent, not to the models."""
    return not (reflected and name is not None and type_ in {"table", "index"} and name.startswith(PARTITIONS))


def _url() -> URL:
    """Where to: what the caller says, or the environment; `postgresql://` means the driver we have."""
    url = context.config.attributes.get("url") or context.config.get_main_option("sqlalchemy.url")
    return make_url(str(url or Settings().database_url)).set(drivername="postgresql+asyncpg")


def _migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_object=_ours,
        transaction_per_migration=True,
        compare_server_default=False,
    )
    connection.execute(text("select set_config('lock_timeout', :wait, false)"), {"wait": LOCK_TIMEOUT})
    connection.execute(text("select set_config('timezone', 'UTC', false)"))
    connection.commit()
    with context.begin_transaction():
        context.run_migrations()


async def _online() -> None:
    engine = create_async_engine(_url(), poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(_migrate)
    await engine.dispose()


if context.is_offline_mode():
    context.configure(
        dialect_name="postgresql",
        target_metadata=Base.metadata,
        literal_binds=True,
        transaction_per_migration=True,
    )
    context.execute(f"set lock_timeout = '{LOCK_TIMEOUT}'")
    context.execute("set timezone = 'UTC'")
    with context.begin_transaction():
        context.run_migrations()
elif (shared := context.config.attributes.get("connection")) is not None:
    _migrate(shared)
else:
    asyncio.run(_online())
