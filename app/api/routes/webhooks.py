"""Webhooks: where Steward reports what happens."""

import json
from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path

from app.api.deps import Integrator, Now, Paged, RawReader, Reader, Services, Tx
from app.api.problems import problems
from app.api.routing import Router
from app.api.schemas.base import page
from app.api.schemas.deliveries import DeliveryDetail
from app.api.schemas.webhooks import (
    EventTypeOut,
    EventTypes,
    Replayed,
    ReplayIn,
    SecretOut,
    WebhookCreated,
    WebhookIn,
    WebhookOut,
    WebhookPage,
    WebhookPatch,
)
from app.domain import ids
from app.domain.cursors import InvalidCursor
from app.domain.deliveries import EVENT_TYPES, WebhookDisabled
from app.domain.destinations import DestinationNotAllowed
from app.domain.letters import example
from app.outbound.addresses import Allow
from app.services import deliveries, webhooks
from app.services.webhooks import NewWebhook, TooManyWebhooks, UnknownEventType, UnknownWebhook

router = Router("webhooks")

WebhookPath = Annotated[str, Path(description="The webhook's id.", examples=["whk_0190f3c2a1b27c3d8e4f5a6b7c8d9e0f"])]
LINKS = {
    name: {"operationId": name, "parameters": {"webhook": "$response.body#/id"}}
    for name in ("getWebhook", "changeWebhook", "testWebhook", "rotateWebhookSecret", "deleteWebhook")
}


def webhook_id(webhook: str) -> UUID | None:
    """The id behind `whk_…`, if it is one."""
    return ids.read("whk", webhook)


def delivery_shown(row: Mapping[str, Any]) -> DeliveryDetail:
    """A delivery with its log as the wire shows it."""
    return DeliveryDetail.model_validate({**row, "body": row["body"].decode()})


@router.post(
    "/webhooks",
    status_code=201,
    operation_id="createWebhook",
    responses={201: {"links": LINKS}, **problems(DestinationNotAllowed, UnknownEventType, TooManyWebhooks)},
)
async def create_webhook(body: WebhookIn, caller: Integrator, tx: Tx, state: Services, now: Now) -> WebhookCreated:
    """Have events posted to a URL of yours. The answer shows the signing secret, this once."""
    wanted = NewWebhook(body.url, body.description, body.types)
    row, secret = await webhooks.create(
        tx, caller.workspace_id, wanted, keys=state.keyring, allow=Allow.of(state.settings.outbound_allow), now=now
    )
    return WebhookCreated.model_validate({**row, "secret": secret})


@router.get("/webhooks", operation_id="listWebhooks", responses=problems(InvalidCursor))
async def list_webhooks(caller: RawReader, tx: Tx, paging: Paged) -> WebhookPage:
    """All webhooks, in the order they were made."""
    after = paging.after("webhooks")
    found = await webhooks.page(tx, caller.workspace_id, after=after[0] if after else None, limit=paging.fetch)
    rows, cursor = paging.cut(found, "webhooks", lambda row: [row["id"]])
    return page([WebhookOut.model_validate(row) for row in rows], cursor, WebhookPage)


@router.get("/webhooks/{webhook}", operation_id="getWebhook", responses=problems(UnknownWebhook))
async def get_webhook(webhook: WebhookPath, caller: RawReader, tx: Tx) -> WebhookOut:
    """One webhook, without its secret."""
    return WebhookOut.model_validate(await webhooks.get(tx, caller.workspace_id, webhook_id(webhook)))


@router.patch(
    "/webhooks/{webhook}",
    operation_id="changeWebhook",
    responses=problems(UnknownWebhook, DestinationNotAllowed, UnknownEventType),
)
async def change_webhook(
    webhook: WebhookPath, body: WebhookPatch, caller: Integrator, tx: Tx, state: Services
) -> WebhookOut:
    """Change a webhook, or switch it off and on. A new URL gets what is still pending, too."""
    allow = Allow.of(state.settings.outbound_allow)
    row = await webhooks.change(tx, caller.workspace_id, webhook_id(webhook), body.changes(), allow=allow)
    return WebhookOut.model_validate(row)


@router.delete("/webhooks/{webhook}", status_code=204, operation_id="deleteWebhook", responses=problems(UnknownWebhook))
async def delete_webhook(webhook: WebhookPath, caller: Integrator, tx: Tx) -> None:
    """Delete a webhook with all its deliveries; what was still to be sent is not."""
    await webhooks.remove(tx, caller.workspace_id, webhook_id(webhook))


@router.post(
    "/webhooks/{webhook}/rotate-secret", operation_id="rotateWebhookSecret", responses=problems(UnknownWebhook)
)
async def rotate_webhook_secret(
    webhook: WebhookPath, caller: Integrator, tx: Tx, state: Services, now: Now
) -> SecretOut:
    """Sign with a new secret. For a day every delivery also carries a signature made with the one before."""
    made = await webhooks.rotate_secret(tx, caller.workspace_id, webhook_id(webhook), keys=state.keyring, now=now)
    return SecretOut(secret=made.text, previous_until=made.previous_until)


@router.post(
    "/webhooks/{webhook}/test",
    status_code=202,
    operation_id="testWebhook",
    responses=problems(UnknownWebhook, WebhookDisabled),
)
async def test_webhook(webhook: WebhookPath, caller: Integrator, tx: Tx, now: Now) -> DeliveryDetail:
    """Post a `webhook.test` event about an invented account. The answer is the delivery to watch."""
    return delivery_shown(await webhooks.send_test(tx, caller.workspace_id, webhook_id(webhook), now=now))


@router.post(
    "/webhooks/{webhook}/replay",
    status_code=202,
    operation_id="replayWebhook",
    responses=problems(UnknownWebhook, WebhookDisabled),
)
async def replay_webhook(webhook: WebhookPath, body: ReplayIn, caller: Integrator, tx: Tx, now: Now) -> Replayed:
    """Send everything again that failed since a moment, with the same ids and bodies."""
    endpoint = await webhooks.get(tx, caller.workspace_id, webhook_id(webhook))
    count = await deliveries.replay_since(tx, caller.workspace_id, endpoint["id"], body.since, now=now)
    return Replayed(replayed=count)


@router.get("/event-types", operation_id="listEventTypes")
async def list_event_types(caller: Reader) -> EventTypes:  # noqa: ARG001 - the caller must be allowed to read
    """Every type of event, each with an example of the whole body that is posted."""
    return EventTypes(
        data=[
            EventTypeOut(type=name, description=text, example=json.loads(example(name)))
            for name, text in EVENT_TYPES.items()
        ]
    )
