"""API keys and the global table of their secrets."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import delete, insert, or_, select, update

from app.db.base import Session
from app.domain.keys import USED_EVERY, Caller, Grant, IngestMode
from app.domain.models import ApiKey, KeySecret


async def grant_of(db: Session, fingerprint: bytes) -> Grant | None:
    """What a secret opens, found by its SHA-256; sees every workspace, as it must."""
    row = (
        await db.execute(
            select(
                KeySecret.workspace_id,
                KeySecret.key_id,
                KeySecret.scopes,
                KeySecret.expires_at,
                KeySecret.requests_per_minute,
                KeySecret.ingest_mode,
            ).where(KeySecret.secret_hash == fingerprint)
        )
    ).one_or_none()
    if row is None:
        return None
    caller = Caller(
        row.workspace_id,
        row.key_id,
        frozenset(row.scopes),
        row.requests_per_minute,
        cast("IngestMode", row.ingest_mode),
    )
    return Grant(caller, row.expires_at)


async def add(db: Session, key: ApiKey, fingerprint: bytes) -> None:
    """Store a new key with its first secret."""
    db.add(key)
    await db.flush()
    await add_secret(db, key, fingerprint)


async def add_secret(db: Session, key: ApiKey, fingerprint: bytes) -> None:
    """One more secret that opens `key`, for as long as the key itself lives."""
    values = {
        "secret_hash": fingerprint,
        "workspace_id": key.workspace_id,
        "key_id": key.id,
        "scopes": key.scopes,
        "expires_at": key.expires_at,
        "requests_per_minute": key.requests_per_minute,
        "ingest_mode": key.ingest_mode,
    }
    await db.execute(insert(KeySecret).values(values))


async def copy_settings(db: Session, key: ApiKey) -> None:
    """Let the secrets of a key say what the key says: they are what is read when a request comes."""
    await db.execute(
        update(KeySecret)
        .where(KeySecret.workspace_id == key.workspace_id, KeySecret.key_id == key.id)
        .values(requests_per_minute=key.requests_per_minute, ingest_mode=key.ingest_mode)
    )


async def end_secrets(db: Session, workspace_id: UUID, key_id: UUID, at: datetime) -> None:
    """Let the present secrets of a key end at `at`, unless they end sooner."""
    await db.execute(
        update(KeySecret)
        .where(KeySecret.workspace_id == workspace_id, KeySecret.key_id == key_id)
        .where(or_(KeySecret.expires_at.is_(None), KeySecret.expires_at > at))
        .values(expires_at=at)
    )


async def remove_secrets(db: Session, workspace_id: UUID, key_id: UUID) -> None:
    """Nothing opens this key any more."""
    await db.execute(delete(KeySecret).where(KeySecret.workspace_id == workspace_id, KeySecret.key_id == key_id))


async def find(db: Session, workspace_id: UUID, key_id: UUID, *, lock: bool = False) -> ApiKey | None:
    """One key of the workspace."""
    wanted = select(ApiKey).where(ApiKey.workspace_id == workspace_id, ApiKey.id == key_id)
    if lock:
        wanted = wanted.with_for_update()
    return (await db.execute(wanted)).scalar_one_or_none()


async def newest_first(db: Session, workspace_id: UUID, *, before: UUID | None, limit: int) -> Sequence[ApiKey]:
    """Keys by id, the newest first; `before` is the id of the last one seen."""
    wanted = select(ApiKey).where(ApiKey.workspace_id == workspace_id)
    if before is not None:
        wanted = wanted.where(ApiKey.id < before)
    return (await db.execute(wanted.order_by(ApiKey.id.desc()).limit(limit))).scalars().all()


async def note_use(db: Session, caller: Caller, *, now: datetime) -> None:
    """Set `last_used_at`, unless it is fresh enough: many processes may want to at once."""
    await db.execute(
        update(ApiKey)
        .where(ApiKey.workspace_id == caller.workspace_id, ApiKey.id == caller.key_id)
        .where(or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < now - USED_EVERY))
        .values(last_used_at=now)
    )
