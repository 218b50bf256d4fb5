"""API keys: made, rotated with an overlap, revoked. A secret leaves this module once, when it is made."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app.db import keys
from app.db.base import Session
from app.domain import keys as rules
from app.domain.ids import new_id
from app.domain.keys import Caller, Environment, ExpiryInThePast, Grant, KeyRevoked, UnknownKey
from app.domain.models import ApiKey
from app.domain.team import Scope


@dataclass(frozen=True, slots=True, repr=False)
class Issued:
    """A key together with its secret text, for the one time it can be shown."""

    key: ApiKey
    text: str


async def grant_of(db: Session, fingerprint: bytes) -> Grant | None:
    """What the secret with this SHA-256 opens. Needs no workspace: it is how one is found."""
    return await keys.grant_of(db, fingerprint)


async def note_use(db: Session, caller: Caller, *, now: datetime) -> None:
    """Remember that a key was used, to the minute."""
    await keys.note_use(db, caller, now=now)


async def create(
    db: Session,
    workspace_id: UUID,
    *,
    name: str,
    scopes: Iterable[str],
    environment: Environment,
    now: datetime,
    expires_at: datetime | None = None,
) -> Issued:
    """A new key and its secret; ExpiryInThePast."""
    if expires_at is not None and expires_at <= now:
        raise ExpiryInThePast("`expiresAt` must lie in the future.")
    chosen = sorted({str(Scope(scope)) for scope in scopes})
    text = rules.secret(environment, chosen, secrets.token_bytes(32))
    key = ApiKey(
        workspace_id=workspace_id,
        id=new_id(),
        name=name,
        hint=rules.hint(text),
        scopes=chosen,
        created_at=now,
        expires_at=expires_at,
        ingest_mode="direct",
    )
    await keys.add(db, key, rules.fingerprint(text))
    return Issued(key, text)


async def find(db: Session, workspace_id: UUID, key_id: UUID, *, lock: bool = False) -> ApiKey:
    """One key; UnknownKey."""
    key = await keys.find(db, workspace_id, key_id, lock=lock)
    if key is None:
        raise UnknownKey("This workspace has no such key.")
    return key


async def newest_first(db: Session, workspace_id: UUID, *, before: UUID | None, limit: int) -> Sequence[ApiKey]:
    """The workspace's keys, revoked ones included."""
    return await keys.newest_first(db, workspace_id, before=before, limit=limit)


async def change(db: Session, workspace_id: UUID, key_id: UUID, changes: Mapping[str, Any]) -> ApiKey:
    """Set some of `name`, `requests_per_minute` and `ingest_mode`. UnknownKey, KeyRevoked."""
    key = await find(db, workspace_id, key_id, lock=True)
    if key.revoked_at is not None:
        raise KeyRevoked("A revoked key stays as it is.")
    for name, value in changes.items():
        setattr(key, name, value)
    await keys.copy_settings(db, key)
    await db.flush()
    return key


async def rotate(
    db: Session, workspace_id: UUID, key_id: UUID, environment: Environment, *, overlap: timedelta, now: datetime
) -> Issued:
    """A new secret for a key; the present ones work for `overlap` longer. UnknownKey, KeyRevoked."""
    key = await find(db, workspace_id, key_id, lock=True)
    if key.revoked_at is not None:
        raise KeyRevoked("A revoked key stays revoked; make a new one.")
    text = rules.secret(environment, key.scopes, secrets.token_bytes(32))
    await keys.end_secrets(db, workspace_id, key_id, now + overlap)
    await keys.add_secret(db, key, rules.fingerprint(text))
    key.hint, key.rotated_at = rules.hint(text), now
    await db.flush()
    return Issued(key, text)


async def revoke(db: Session, workspace_id: UUID, key_id: UUID, *, now: datetime) -> None:
    """No secret of this key works from now on, everywhere within five seconds. Repeating it is harmless. UnknownKey."""
    key = await find(db, workspace_id, key_id, lock=True)
    await keys.remove_secrets(db, workspace_id, key_id)
    key.revoked_at = key.revoked_at or now
    await db.flush()
