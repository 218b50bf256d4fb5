"""Webhook endpoints in PostgreSQL."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update

from app.db.base import Session, rows
from app.domain.models import WebhookEndpoint

TABLE = WebhookEndpoint.__tablename__

_SHOWN = (
    WebhookEndpoint.id,
    WebhookEndpoint.url,
    WebhookEndpoint.description,
    WebhookEndpoint.types,
    WebhookEndpoint.enabled,
    WebhookEndpoint.disabled_reason,
    WebhookEndpoint.failing_since,
    WebhookEndpoint.previous_secret_until,
    WebhookEndpoint.created_at,
)


def _mine(workspace_id: UUID, endpoint_id: UUID) -> tuple[Any, Any]:
    return WebhookEndpoint.workspace_id == workspace_id, WebhookEndpoint.id == endpoint_id


async def create(db: Session, workspace_id: UUID, values: Mapping[str, Any]) -> None:
    """Store a new endpoint."""
    await db.execute(insert(WebhookEndpoint).values(workspace_id=workspace_id, **values))


async def count(db: Session, workspace_id: UUID) -> int:
    """How many endpoints the workspace has."""
    return int(await db.scalar(select(func.count()).where(WebhookEndpoint.workspace_id == workspace_id)) or 0)


async def one(db: Session, workspace_id: UUID, endpoint_id: UUID) -> Mapping[str, Any] | None:
    """One endpoint, without its secret."""
    return next(iter(rows(await db.execute(select(*_SHOWN).where(*_mine(workspace_id, endpoint_id))))), None)


async def page(db: Session, workspace_id: UUID, *, after: UUID | None, limit: int) -> Sequence[Mapping[str, Any]]:
    """Endpoints in the order they were made."""
    query = select(*_SHOWN).where(WebhookEndpoint.workspace_id == workspace_id)
    if after is not None:
        query = query.where(WebhookEndpoint.id > after)
    return rows(await db.execute(query.order_by(WebhookEndpoint.id).limit(limit)))


async def locked(db: Session, workspace_id: UUID, endpoint_id: UUID) -> Any | None:
    """What a change needs to know of an endpoint, which nobody else changes until we commit."""
    query = (
        select(WebhookEndpoint.enabled, WebhookEndpoint.secret)
        .where(*_mine(workspace_id, endpoint_id))
        .with_for_update()
    )
    return (await db.execute(query)).one_or_none()


async def change(db: Session, workspace_id: UUID, endpoint_id: UUID, values: Mapping[str, Any]) -> None:
    """Set columns of an endpoint."""
    if values:
        await db.execute(update(WebhookEndpoint).where(*_mine(workspace_id, endpoint_id)).values(**values))


async def remove(db: Session, workspace_id: UUID, endpoint_id: UUID) -> bool:
    """Delete an endpoint with its letters; whether there was one."""
    gone = await db.scalar(
        delete(WebhookEndpoint).where(*_mine(workspace_id, endpoint_id)).returning(WebhookEndpoint.id)
    )
    return gone is not None


async def switch_off(db: Session, workspace_id: UUID, endpoint_id: UUID, *, reason: str) -> None:
    """Send nothing more there until someone switches it on again."""
    await change(db, workspace_id, endpoint_id, {"enabled": False, "disabled_reason": reason})


async def mark_failing(db: Session, workspace_id: UUID, endpoint_id: UUID, *, since: datetime) -> None:
    """Remember the first failure since the last success; later ones leave the row alone."""
    await db.execute(
        update(WebhookEndpoint)
        .where(*_mine(workspace_id, endpoint_id), WebhookEndpoint.failing_since.is_(None))
        .values(failing_since=since)
    )


async def mark_well(db: Session, workspace_id: UUID, endpoint_ids: Collection[UUID]) -> None:
    """Forget failures before a success; rows without any are left alone."""
    await db.execute(
        update(WebhookEndpoint)
        .where(
            WebhookEndpoint.workspace_id == workspace_id,
            WebhookEndpoint.id.in_(sorted(endpoint_ids)),
            WebhookEndpoint.failing_since.is_not(None),
        )
        .values(failing_since=None)
    )
