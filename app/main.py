"""The web process: one application, built from settings, with everything that lives as long as it does."""

import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException

from app.api import openapi, problems, writes
from app.api.backlog import Backlog
from app.api.callers import Callers
from app.api.deps import State
from app.api.group_commit import GroupCommit
from app.api.holds import Holds
from app.api.inbox import Inbox
from app.api.limiter import open_limiter
from app.api.metrics import Metrics
from app.api.middleware import Gate
from app.api.pressure import Pressure
from app.api.reception import Reception
from app.api.routes import OPS, ROUTERS
from app.api.shared import open_shared
from app.api.shelf import Shelf
from app.api.tending import Keeper
from app.api.usage import Usage
from app.db.base import Database
from app.domain import cursors, secrets, suppression
from app.domain.errors import DomainError
from app.domain.keys import Caller, Grant
from app.domain.memory import Memory
from app.services import keys, sessions
from app.settings import Settings
from app.workers.bell import open_bell

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The present."""
    return datetime.now(UTC)


def create_app(settings: Settings | None = None, *, now: Clock = utc_now) -> FastAPI:
    """The application; a factory for `uvicorn --factory`. Connections are made when its lifespan begins."""
    chosen = settings or Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with _running(chosen, now) as state:
            app.state.steward = state
            yield

    app = FastAPIOffline(**openapi.ABOUT, lifespan=lifespan, redirect_slashes=False)
    # Flat and first: included routers are matched one inside the other, and the documentation's pages before them.
    app.router.routes[:0] = [route for router in (*ROUTERS, OPS) for route in router.routes]
    app.add_middleware(Gate)
    app.add_exception_handler(writes.Repeated, writes.on_repeated)
    app.add_exception_handler(DomainError, problems.on_domain_error)
    app.add_exception_handler(RequestValidationError, problems.on_invalid_request)
    app.add_exception_handler(HTTPException, problems.on_http_exception)
    openapi.describe(app, chosen)
    return app


@asynccontextmanager
async def _running(settings: Settings, now: Clock) -> AsyncIterator[State]:
    bell = open_bell(settings.redis_url, settings.bell)
    async with Database(settings.database_url, pool=settings.database_pool, name="steward-api") as database:

        async def look_up(fingerprint: bytes) -> Grant | None:
            async with database.open_transaction() as db:
                grant = await keys.grant_of(db, fingerprint)
                signed_in = None if grant else await sessions.whose_secret(db, fingerprint)
            if signed_in is None:
                return grant
            workspace_id, session_id = signed_in
            idle = timedelta(hours=settings.session_idle_hours)
            async with database.transaction(workspace_id) as db:
                return await sessions.grant_of(db, workspace_id, session_id, idle=idle, now=now())

        async def note_use(caller: Caller) -> None:
            write = keys.note_use if caller.session_id is None else sessions.note_use
            async with database.transaction(caller.workspace_id) as db:
                await write(db, caller, now=now())

        master = settings.secret_key.get_secret_value()
        memory = Memory(suppression.key(master), keeps_history=settings.trait_history_days > 0)
        commits = GroupCommit(database, memory, now=now, wake=bell.wake)
        backlog = Backlog(database, most_messages=settings.inbox_messages, most_seconds=settings.inbox_seconds)
        inbox = Inbox(database, backlog, wake=bell.wake)
        metrics = Metrics()
        shelf = Shelf(database, commits, settings, suppression_key=suppression.key(master), now=now)
        keeper = Keeper(database, settings)
        state = State(
            settings=settings,
            database=database,
            keyring=secrets.keyring(master),
            cursor_key=cursors.key(master),
            now=now,
            callers=Callers(look_up, now),
            usage=Usage(note_use),
            holds=Holds(settings),
            limiter=open_limiter(settings, open_shared(settings.redis_url)),
            pressure=Pressure(settings.shed_after_seconds),
            metrics=metrics,
            commits=commits,
            reception=Reception(commits, inbox, shelf, metrics),
            shelf=shelf,
            replicas=keeper.replicas,
            wake=bell.wake,
            bell_answers=bell.answers,
        )
        state.metrics.watch(state.holds, state.pressure)
        state.pressure.start()
        keeper.start()
        gc.freeze()  # what was made so far stays; batches make and drop objects by the thousand
        gc.set_threshold(50_000, 20, 20)
        try:
            yield state
        finally:
            await state.commits.close()
            await inbox.close()
            await state.shelf.close()
            await keeper.close()
            state.pressure.stop()
            await state.usage.settle()
            await state.limiter.close()
            await bell.close()
            gc.unfreeze()  # what stays frozen is never given back, and DuckDB complains of it at the very end
