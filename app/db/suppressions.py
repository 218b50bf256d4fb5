"""The list of deleted users and accounts, as hashes."""

from collections.abc import Iterable
from uuid import UUID

from app.db.base import Session, raw

_FIND = "select disguise from suppressions where workspace_id = $1 and disguise = any($2::bytea[])"


async def find(db: Session, workspace_id: UUID, disguises: Iterable[bytes]) -> set[bytes]:
    """Those of these hashes that are on the list."""
    driver = await raw(db)
    return {row["disguise"] for row in await driver.fetch(_FIND, workspace_id, list(disguises))}
