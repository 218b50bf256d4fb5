"""Reading alerts, asking why they fired, and marking them as addressed."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import alerts, facts
from app.db.base import Session
from app.domain.filters import InvalidFilter, explain, holds, parse
from app.domain.indicators import AlertResolved, UnknownAlert, Wanted, record


async def page(
    db: Session, workspace_id: UUID, wanted: Wanted, *, before: UUID | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Alerts, the newest first."""
    return await alerts.page(db, workspace_id, wanted, before=before, limit=limit)


async def show(db: Session, workspace_id: UUID, alert_id: UUID | None, *, now: datetime) -> Mapping[str, Any]:
    """One alert: why it fired, and how the conditions of its indicator look now. Raises `UnknownAlert`."""
    found = await alerts.one(db, workspace_id, alert_id) if alert_id is not None else None
    if found is None:
        raise UnknownAlert("No alert has this id.")
    try:
        tree = parse(found["filter"])
    except InvalidFilter:
        return {**found, "currently": [], "holds": False}
    known = await facts.load(db, workspace_id, [found["account_id"]], facts.needs(tree), now=now)
    seen = known.get(found["account_id"], {"traits": {}})
    return {**found, "currently": record(explain(tree, seen, now)), "holds": holds(tree, seen, now)}


async def address(
    db: Session, workspace_id: UUID, alert_id: UUID | None, *, note: str | None, now: datetime
) -> Mapping[str, Any]:
    """Someone looks after it: the alert stays silent until it is resolved. Safe to repeat; the last note stands.

    Raises `UnknownAlert`, `AlertResolved`.
    """
    done = alert_id is not None and await alerts.address(db, workspace_id, alert_id, note=note, now=now)
    shown = await show(db, workspace_id, alert_id, now=now)
    if not done:
        raise AlertResolved("The condition has cleared; there is nothing left to address.")
    return shown
