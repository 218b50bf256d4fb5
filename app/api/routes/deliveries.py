"""Deliveries: what was posted to whom, how it went, and once more."""

from typing import Annotated

from fastapi import Path, Query

from app.api.deps import Integrator, Now, Paged, RawReader, Tx
from app.api.problems import problems
from app.api.routes.webhooks import WebhookPath, delivery_shown, webhook_id
from app.api.routing import Router
from app.api.schemas.base import page
from app.api.schemas.deliveries import DeliveryDetail, DeliveryOut, DeliveryPage, DeliveryState
from app.domain import ids
from app.domain.cursors import InvalidCursor
from app.domain.deliveries import UnknownDelivery, WebhookDisabled
from app.services import deliveries, webhooks
from app.services.webhooks import UnknownWebhook

router = Router("deliveries")

DeliveryPath = Annotated[str, Path(description="The delivery's id.", examples=["dlv_0190f3c2a1b27c3d8e4f5a6b7c8d9e0f"])]


@router.get(
    "/webhooks/{webhook}/deliveries",
    operation_id="listDeliveries",
    responses=problems(UnknownWebhook, InvalidCursor),
)
async def list_deliveries(
    webhook: WebhookPath,
    caller: RawReader,
    tx: Tx,
    paging: Paged,
    state: Annotated[DeliveryState | None, Query(description="Only deliveries in this state.")] = None,
) -> DeliveryPage:
    """A webhook's deliveries, the newest first."""
    endpoint = await webhooks.get(tx, caller.workspace_id, webhook_id(webhook))
    scope = f"deliveries:{endpoint['id']}:{state}"
    after = paging.after(scope)
    found = await deliveries.page(
        tx,
        caller.workspace_id,
        endpoint["id"],
        state=state,
        before=after[0] if after else None,
        limit=paging.fetch,
    )
    rows, cursor = paging.cut(found, scope, lambda row: [row["id"]])
    return page([DeliveryOut.model_validate(row) for row in rows], cursor, DeliveryPage)


@router.get("/deliveries/{delivery}", operation_id="getDelivery", responses=problems(UnknownDelivery))
async def get_delivery(delivery: DeliveryPath, caller: RawReader, tx: Tx) -> DeliveryDetail:
    """One delivery: the exact body, and every attempt with what the receiver said."""
    return delivery_shown(await deliveries.show(tx, caller.workspace_id, ids.read("dlv", delivery)))


@router.post(
    "/deliveries/{delivery}/replay",
    status_code=202,
    operation_id="replayDelivery",
    responses=problems(UnknownDelivery, WebhookDisabled),
)
async def replay_delivery(delivery: DeliveryPath, caller: Integrator, tx: Tx, now: Now) -> DeliveryDetail:
    """Post a delivery again, with the same id and body and a schedule of its own. A pending one goes out at once."""
    return delivery_shown(await deliveries.replay(tx, caller.workspace_id, ids.read("dlv", delivery), now=now))
