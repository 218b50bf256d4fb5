"""Webhook endpoints: made, changed, tried and removed by the workspace's admins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app.db import deliveries, jobs, webhooks
from app.db.base import Session
from app.domain import ids
from app.domain.deliveries import EVENT_TYPES, TEST, WebhookDisabled
from app.domain.errors import Conflict, NotFound, Rejected
from app.domain.jobs import Deliver
from app.domain.letters import example
from app.domain.secrets import Keyring, Place, seal, unseal
from app.outbound.addresses import Allow
from app.outbound.destinations import check_url
from app.outbound.webhooks import new_secret
from app.services.deliveries import post, show

MOST_WEBHOOKS = 50
OVERLAP = timedelta(hours=24)
RESUMED_OVER_SECONDS = 60.0


class UnknownWebhook(NotFound):
    """There is no such webhook in this workspace."""

    code = "unknown_webhook"


class UnknownEventType(Rejected):
    """There is no such event type."""

    code = "unknown_event_type"


class TooManyWebhooks(Conflict):
    """The workspace has as many webhooks as it may have."""

    code = "too_many_webhooks"


@dataclass(frozen=True, slots=True)
class NewWebhook:
    """What is asked for. `types` empty: every type of event."""

    url: str
    description: str = ""
    types: Sequence[str] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Secret:
    """A fresh signing secret, shown this once; until `previous_until` the one before it signs as well."""

    text: str
    previous_until: datetime | None


async def create(
    db: Session, workspace_id: UUID, wanted: NewWebhook, *, keys: Keyring, allow: Allow, now: datetime
) -> tuple[Mapping[str, Any], str]:
    """A new endpoint and its secret. Raises `DestinationNotAllowed`, `UnknownEventType`, `TooManyWebhooks`."""
    check_url(wanted.url, allow)
    _check_types(wanted.types)
    if await webhooks.count(db, workspace_id) >= MOST_WEBHOOKS:
        raise TooManyWebhooks(f"A workspace has at most {MOST_WEBHOOKS} webhooks.", limit=MOST_WEBHOOKS)
    endpoint_id, secret = ids.new_id(), new_secret()
    await webhooks.create(
        db,
        workspace_id,
        {
            "id": endpoint_id,
            "url": wanted.url,
            "description": wanted.description,
            "types": sorted(set(wanted.types)),
            "secret": _sealed(secret, keys, workspace_id, endpoint_id),
            "created_at": now,
        },
    )
    return await get(db, workspace_id, endpoint_id), secret


async def get(db: Session, workspace_id: UUID, endpoint_id: UUID | None) -> Mapping[str, Any]:
    """One endpoint, without its secret. Raises `UnknownWebhook`."""
    found = await webhooks.one(db, workspace_id, endpoint_id) if endpoint_id else None
    if found is None:
        raise UnknownWebhook("No webhook has this id.")
    return found


async def page(db: Session, workspace_id: UUID, *, after: UUID | None, limit: int) -> Sequence[Mapping[str, Any]]:
    """Endpoints in the order they were made."""
    return await webhooks.page(db, workspace_id, after=after, limit=limit)


async def change(
    db: Session, workspace_id: UUID, endpoint_id: UUID | None, values: Mapping[str, Any], *, allow: Allow
) -> Mapping[str, Any]:
    """Change `url`, `description`, `types` or `enabled`; what is not in `values` stays.

    Switched off, an endpoint's waiting letters are held; switched on again, they go out over the next minute.
    Raises `UnknownWebhook`, `DestinationNotAllowed`, `UnknownEventType`.
    """
    if "url" in values:
        check_url(values["url"], allow)
    _check_types(values.get("types", ()))
    found = await webhooks.locked(db, workspace_id, endpoint_id) if endpoint_id else None
    if found is None or endpoint_id is None:
        raise UnknownWebhook("No webhook has this id.")
    columns = dict(values)
    if "types" in columns:
        columns["types"] = sorted(set(columns["types"]))
    if "enabled" in columns:
        columns |= {"disabled_reason": None if columns["enabled"] else "by_hand", "failing_since": None}
    await webhooks.change(db, workspace_id, endpoint_id, columns)
    if columns.get("enabled") is True and not found.enabled:
        await jobs.resume(db, workspace_id, Deliver.lane, endpoint_id, over_seconds=RESUMED_OVER_SECONDS)
    elif columns.get("enabled") is False and found.enabled:
        await jobs.hold_waiting(db, workspace_id, Deliver.lane, endpoint_id)
    return await get(db, workspace_id, endpoint_id)


async def remove(db: Session, workspace_id: UUID, endpoint_id: UUID | None) -> None:
    """Delete an endpoint, its deliveries and what was still to be sent. Raises `UnknownWebhook`."""
    if endpoint_id is None or not await webhooks.remove(db, workspace_id, endpoint_id):
        raise UnknownWebhook("No webhook has this id.")
    await jobs.cancel_of_endpoint(db, workspace_id, Deliver.lane, endpoint_id, why="the webhook was deleted")


async def rotate_secret(
    db: Session, workspace_id: UUID, endpoint_id: UUID | None, *, keys: Keyring, now: datetime
) -> Secret:
    """Sign with a new secret from now on, and for a day with the present one as well. Raises `UnknownWebhook`."""
    found = await webhooks.locked(db, workspace_id, endpoint_id) if endpoint_id else None
    if found is None or endpoint_id is None:
        raise UnknownWebhook("No webhook has this id.")
    secret, until = new_secret(), now + OVERLAP
    present = unseal(found.secret.decode(), keys, Place(workspace_id, webhooks.TABLE, "secret", endpoint_id))
    await webhooks.change(
        db,
        workspace_id,
        endpoint_id,
        {
            "secret": _sealed(secret, keys, workspace_id, endpoint_id),
            "previous_secret": _sealed(present, keys, workspace_id, endpoint_id, column="previous_secret"),
            "previous_secret_until": until,
        },
    )
    return Secret(secret, until)


async def send_test(db: Session, workspace_id: UUID, endpoint_id: UUID | None, *, now: datetime) -> Mapping[str, Any]:
    """Send a `webhook.test`; the answer is the delivery to watch. Raises `UnknownWebhook`, `WebhookDisabled`."""
    endpoint = await get(db, workspace_id, endpoint_id)
    if not endpoint["enabled"]:
        raise WebhookDisabled("Switch the webhook on first: set `enabled` to true.")
    event_id, delivery_id = ids.new_id(), ids.new_id()
    body = example(TEST, event_id=event_id, at=now)
    await post(db, workspace_id, [deliveries.Letter(delivery_id, endpoint["id"], event_id, TEST, body)], now=now)
    return await show(db, workspace_id, delivery_id)


def _check_types(types: Sequence[str]) -> None:
    if unknown := sorted(set(types) - EVENT_TYPES.keys()):
        raise UnknownEventType(f"Unknown event type(s): {', '.join(unknown)}.", known=sorted(EVENT_TYPES))


def _sealed(secret: str, keys: Keyring, workspace_id: UUID, endpoint_id: UUID, *, column: str = "secret") -> bytes:
    return seal(secret, keys, Place(workspace_id, webhooks.TABLE, column, endpoint_id)).encode()
