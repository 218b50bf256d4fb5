"""Whether the database can be worked with: it answers, and its schema is the one this release was written for."""

import asyncio
from dataclasses import dataclass

import structlog

from app.db import schema
from app.db.base import Database

PATIENCE_SECONDS = 3.0

log = structlog.get_logger("steward.readiness")


@dataclass(frozen=True, slots=True)
class Found:
    """The state of the database."""

    reachable: bool
    revision: str | None
    wanted: str


async def of_database(database: Database) -> Found:
    """Ask the database; never raises, and never waits longer than three seconds."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return Found(reachable=True, revision=await schema.present(database), wanted=schema.packaged())
    except Exception as error:  # noqa: BLE001 - whatever it is, the answer is "not now"
        log.warning("database not ready", error=type(error).__name__)
        return Found(reachable=False, revision=None, wanted=schema.packaged())
