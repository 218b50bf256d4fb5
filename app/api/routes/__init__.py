"""Our own API, one file per noun. A new file is added to ROUTERS; its routes then exist.

A route file makes `router = Router("<tag>")` (see `app/api/routing.py`); the tag is described in `app/api/openapi.py`.
Each route names its `operation_id`, depends on one of Reader, Admin, Sender or Anyone, and documents what it refuses
with `problems(...)`. What every route shares (400, 401, 403, 413 … 503) is added for all.
"""

from app.api.routes import (
    accounts,
    alerts,
    analytics,
    batch,
    custom_objects,
    deliveries,
    erasures,
    evaluation,
    events,
    exports,
    facts,
    imports,
    indicators,
    ingestion,
    key_roles,
    keys,
    members,
    ops,
    organizations,
    owners,
    rejected,
    reports,
    reprocessings,
    rudderstack,
    segment,
    trait_map,
    users,
    webhooks,
    workspace,
)
from app.api.routing import Router

ROUTERS: tuple[Router, ...] = (
    batch.router,
    accounts.router,
    users.router,
    organizations.router,
    custom_objects.router,
    events.router,
    rejected.router,
    imports.router,
    owners.router,
    facts.router,
    reports.router,
    indicators.router,
    alerts.router,
    trait_map.router,
    reprocessings.router,
    evaluation.router,
    ingestion.router,
    members.router,
    key_roles.router,
    webhooks.router,
    deliveries.router,
    keys.router,
    erasures.router,
    exports.router,
    workspace.router,
    segment.router,
    rudderstack.router,
    analytics.router,
)
OPS = ops.router
