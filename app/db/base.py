"""The engine, and the one way into a transaction: the workspace is set before anything else happens in it."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Self, cast
from uuid import UUID

import asyncpg
from asyncpg.exceptions import InterfaceError as Misused
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from app.domain.errors import Unavailable

Session = AsyncSession

ROLE = "steward_app"  # owns nothing, cannot step over row security; made by the first migration
MEMBER_ROLE = "steward_member"  # the same, behind the veil of data-access groups
CONNECT_SECONDS = 5
COMMAND_SECONDS = 90  # longer than any statement may take: PostgreSQL is to say so itself
POOL_SECONDS = 2

_ENTER = text("select set_config('steward.workspace', :workspace, true), set_config('role', :role, true)")
_ENTER_VEILED = text(
    "select set_config('steward.workspace', :workspace, true), set_config('steward.groups', :groups, true),"
    " set_config('role', :role, true)"
)
_VEIL = text("select set_config('steward.groups', :groups, true), set_config('role', :role, true)")
_AS = text("select set_config('role', :role, true)")
_VEILED = "steward.veiled"
_ENTER_PUMP = text("select set_config('steward.pump', 'on', true), set_config('role', :role, true)")

_FREEZE = text("set transaction isolation level repeatable read, read only")

TOO_SLOW, HELD = "57014", "55P03"  # a statement that took too long; a lock that did
RETRY_WHOLE = {"40001", "40P01"}  # serialisation failure, deadlock: the transaction may simply be run again
TRY_LATER = {
    "53100",
    "53200",
    "53300",
    "55P03",
    "57P01",
    "57P02",
    "57P03",
    "57014",
}  # full, busy, going down, waited too long


class DatabaseUnavailable(Unavailable):
    """The database cannot be reached right now."""

    code = "database_unavailable"


class Orphaned(Exception):
    """The workspace is gone: what was written last would belong to nobody."""

    sqlstate = "23503"


class Outpaced(Exception):
    """What this transaction took for granted changed before it held it: the whole of it may be run again."""


def normalise(url: str) -> str:
    """`postgres://` and `postgresql://` URLs as the asyncpg dialect wants them."""
    parsed = make_url(url)
    return parsed.set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)


class Database:
    """A process's connections. Every transaction runs as the application's role, inside one workspace."""

    def __init__(self, url: str, *, pool: int = 8, name: str = "steward", statement_seconds: int = 5) -> None:
        self.engine: AsyncEngine = create_async_engine(
            normalise(url),
            pool_size=pool,
            max_overflow=0,
            pool_timeout=POOL_SECONDS,
            pool_recycle=1800,
            pool_pre_ping=True,
            hide_parameters=True,  # what customers sent stays out of error messages and logs
            connect_args={
                "timeout": CONNECT_SECONDS,
                "command_timeout": COMMAND_SECONDS,
                "server_settings": {
                    "application_name": name,
                    "timezone": "UTC",
                    "jit": "off",
                    "statement_timeout": f"{statement_seconds}s",
                    "lock_timeout": "4s",
                    "idle_in_transaction_session_timeout": "30s",
                },
            },
        )
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False, autoflush=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.engine.dispose()

    @asynccontextmanager
    async def transaction(
        self, workspace_id: UUID, *, groups: Collection[UUID] | None = None
    ) -> AsyncIterator[Session]:
        """One transaction that sees `workspace_id` alone; commits on leaving, rolls back on any error.

        With `groups` it does not see what is restricted to other data-access groups than these.
        """
        async with self._inside(workspace_id, groups) as session:
            yield session

    @asynccontextmanager
    async def frozen_transaction(
        self, workspace_id: UUID, *, groups: Collection[UUID] | None = None
    ) -> AsyncIterator[Session]:
        """As `transaction`, but it reads only, and all of it sees the same moment."""
        async with self._inside(workspace_id, groups, before=_FREEZE) as session:
            yield session

    @asynccontextmanager
    async def _inside(
        self, workspace_id: UUID, groups: Collection[UUID] | None, *, before: Any = None
    ) -> AsyncIterator[Session]:
        values = {"workspace": str(workspace_id), "role": ROLE}
        if groups is None:
            async with self._begin(_ENTER, values, before=before) as session:
                yield session
            return
        values |= {"role": MEMBER_ROLE, "groups": _array(groups)}
        async with self._begin(_ENTER_VEILED, values, before=before) as session:
            session.info[_VEILED] = True
            yield session

    @asynccontextmanager
    async def pump_transaction(self) -> AsyncIterator[Session]:
        """One transaction that sees the queue tables of every workspace, and nothing else."""
        async with self._begin(_ENTER_PUMP, {"role": ROLE}) as session:
            yield session

    @asynccontextmanager
    async def open_transaction(self) -> AsyncIterator[Session]:
        """One transaction in no workspace: it sees the global tables (key secrets) only."""
        async with self._begin(_ENTER, {"workspace": "", "role": ROLE}) as session:
            yield session

    @asynccontextmanager
    async def _begin(self, enter: Any, values: Mapping[str, str], *, before: Any = None) -> AsyncIterator[Session]:
        try:
            async with self._sessions() as session, session.begin():
                if before is not None:
                    await session.execute(before)
                await session.execute(enter, values)
                yield session
        except Exception as error:
            if is_outage(error):
                raise DatabaseUnavailable("The database did not answer in time.") from error
            raise


@asynccontextmanager
async def unveiled(db: Session) -> AsyncIterator[None]:
    """For what is derived: it comes of everything there is, whoever set it off, and sees past data-access groups."""
    if not db.info.get(_VEILED):
        yield
        return
    await db.execute(_AS, {"role": ROLE})
    db.info[_VEILED] = False
    try:
        yield
    except BaseException:  # whoever catches it may go on in this transaction
        with suppress(SQLAlchemyError):  # an aborted one cannot: what rolls it back veils it again
            await _veil(db)
        raise
    await _veil(db)


async def _veil(db: Session) -> None:
    db.info[_VEILED] = True
    await db.execute(_AS, {"role": MEMBER_ROLE})


@asynccontextmanager
async def veiled(db: Session, groups: Collection[UUID] | None) -> AsyncIterator[None]:
    """For what is shown to somebody in a transaction that sees everything, as what configures the workspace must."""
    if groups is None or db.info.get(_VEILED):
        yield
        return
    await db.execute(_VEIL, {"role": MEMBER_ROLE, "groups": _array(groups)})
    db.info[_VEILED] = True
    yield
    db.info[_VEILED] = False
    await db.execute(_AS, {"role": ROLE})


def _array(groups: Collection[UUID]) -> str:
    return f"{{{','.join(str(group) for group in sorted(groups))}}}"


def sqlstate(error: BaseException) -> str | None:
    """PostgreSQL's five-character code behind an error of the driver or of SQLAlchemy, where there is one."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    return getattr(origin, "sqlstate", None)


def may_run_again(error: BaseException) -> bool:
    """Whether the whole transaction may simply be run once more: it lost a race, nothing is wrong with it."""
    return isinstance(error, Outpaced) or sqlstate(error) in RETRY_WHOLE


def has_no_parent(error: BaseException) -> bool:
    """Whether a row was refused because what it belongs to does not exist (any more)."""
    return sqlstate(error) == "23503"


def is_outage(error: BaseException) -> bool:
    """Whether trying the same thing again later can help: lost connections, shutdowns, waits that took too long."""
    code = sqlstate(error)
    if code is not None:
        return code in TRY_LATER or code.startswith("08")
    lost = isinstance(error, DBAPIError) and (error.connection_invalidated or isinstance(error, InterfaceError))
    return lost or isinstance(error, PoolTimeout | OSError | Misused | TimeoutError)


def is_away(error: Exception) -> bool:
    """Whether the database itself is to blame; not when it answered that a statement or a lock takes too long."""
    return isinstance(error, DatabaseUnavailable) and _answer(error) not in {TOO_SLOW, HELD}


def is_held(error: Exception) -> bool:
    """Whether somebody else held the rows for too long: nothing is wrong with them, and others can have their turn."""
    return isinstance(error, DatabaseUnavailable) and _answer(error) == HELD


def _answer(error: Exception) -> str | None:
    return None if error.__cause__ is None else sqlstate(error.__cause__)


async def raw(session: Session) -> asyncpg.Connection:
    """The driver's own connection under the session's transaction, for the few statements that need arrays fast."""
    connection = await session.connection()
    fairy = await connection.get_raw_connection()
    return cast("asyncpg.Connection", fairy.driver_connection)


def rows(result: Any) -> Sequence[Mapping[str, Any]]:
    """A textual query's rows as plain mappings."""
    names = tuple(result.keys())  # asked once: each row would put them together anew
    return [dict(zip(names, row, strict=True)) for row in result]
