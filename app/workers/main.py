"""The worker process: one pump, and an ear for the bell, until it is told to stop."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import structlog

from app.db.base import Database
from app.outbound.addresses import Allow
from app.outbound.http import Client
from app.settings import Settings
from app.workers import bell
from app.workers.pump import Pump
from app.workers.runtime import Runtime

log = logging.getLogger(__name__)

STATEMENT_SECONDS = 60
_without_values = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)


def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT; the entry of `steward work`."""
    configure_logs(settings.log_level)
    try:
        import uvloop
    except ImportError:  # there is none for Windows
        asyncio.run(work(settings))
    else:
        uvloop.run(work(settings))


async def work(settings: Settings, *, signals: bool = True) -> None:
    """Work until a signal (or cancellation); what runs is finished first, within its grace."""
    async with opened(settings) as rt:
        pump = Pump(rt)
        if signals:
            _stop_on_signals(pump)
        ear = _listen(settings, pump)
        log.info("worker started")
        try:
            await pump.run()
        finally:
            if ear is not None:
                ear.cancel()
                with suppress(asyncio.CancelledError):
                    await ear
            log.info("worker stopped")


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Runtime]:
    """Everything handlers work with, for as long as the process runs."""
    async with (
        Database(
            settings.database_url,
            pool=settings.database_pool,
            name="steward-worker",
            statement_seconds=STATEMENT_SECONDS,
        ) as database,
        Client(Allow.of(settings.outbound_allow), deadline=settings.outbound_timeout_seconds) as outbound,
    ):
        yield Runtime(database, outbound, settings, lambda: datetime.now(UTC))


def _listen(settings: Settings, pump: Pump) -> asyncio.Task[None] | None:
    if settings.bell == "none" or not settings.redis_url:
        return None
    return asyncio.create_task(bell.serve(settings.redis_url, pump.wake))


def _stop_on_signals(pump: Pump) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):  # on Windows
            loop.add_signal_handler(number, pump.stop)


def configure_logs(level: str) -> None:
    """One JSON object a line. Messages carry ids and kinds, never traits, bodies or addresses."""
    shared: list[Any] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.ExceptionRenderer(_without_values),
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("httpx", "sqlalchemy.engine"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("arq").setLevel(logging.ERROR)  # it warns of rings that nobody needed to hear any more
