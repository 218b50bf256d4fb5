"""For those who run Steward: is it alive, is it ready, what does it do. Without a key, and outside /api."""

import asyncio
from contextlib import suppress

from fastapi import APIRouter, Response

from app.api.deps import Services
from app.api.metrics import CONTENT_TYPE
from app.api.schemas.ops import Health, Readiness
from app.db import inbox, jobs
from app.domain.errors import Unavailable
from app.services import readiness

router = APIRouter(tags=["operations"])


@router.get("/healthz", operation_id="getHealth")
async def get_health() -> Health:
    """Whether the process answers at all. Restart it when this fails."""
    return Health(status="ok")


@router.get(
    "/readyz",
    operation_id="getReadiness",
    responses={503: {"model": Readiness, "description": "PostgreSQL does not answer, or has another schema."}},
)
async def get_readiness(state: Services, response: Response) -> Readiness:
    """Whether requests can be served: PostgreSQL answers and has this release's schema. Send no traffic when it fails.

    Without Redis the service is `degraded` and still ready: background work only waits a little longer.
    """
    found, bell = await asyncio.gather(readiness.of_database(state.database), state.bell_answers())
    ready = found.reachable and found.revision == found.wanted
    response.status_code = 200 if ready else 503
    return Readiness(
        status="unready" if not ready else "degraded" if bell is False else "ready",
        database="ok" if found.reachable else "unreachable",
        schema_revision=found.revision,
        schema_wanted=found.wanted,
        bell="none" if bell is None else ("ok" if bell else "unreachable"),
    )


@router.get(
    "/metrics",
    operation_id="getMetrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def get_metrics(state: Services) -> Response:
    """Figures for Prometheus."""
    if state.metrics.wants_backlog():
        with suppress(Unavailable):
            async with state.database.pump_transaction() as db:
                state.metrics.set_backlog(await jobs.depths(db))
                state.metrics.set_inbox(await inbox.depth_of_all(db))
    return Response(state.metrics.page(), media_type=CONTENT_TYPE)
