"""The audit log: who changed what, and when."""

from typing import Annotated

from fastapi import Depends, Query

from app.api.deps import Admin, Paged, Tx
from app.api.problems import problems
from app.api.routing import Router
from app.api.schemas.audit import AuditEntryOut, AuditEntryPage
from app.api.schemas.base import Instant, page
from app.domain.audit import Narrowing
from app.domain.cursors import InvalidCursor
from app.services import audit

router = Router("audit log")

Equal = Annotated[str | None, Query(min_length=1, max_length=800)]
Since = Annotated[Instant | None, Query(description="Not before this moment.")]
Until = Annotated[Instant | None, Query(description="Before this moment.")]


def _narrowed(
    actor: Equal = None, action: Equal = None, target: Equal = None, since: Since = None, until: Until = None
) -> Narrowing:
    return Narrowing(actor=actor, action=action, target=target, since=since, until=until)


Narrowed = Annotated[Narrowing, Depends(_narrowed)]


@router.get("/audit-log", operation_id="listAuditLog", responses=problems(InvalidCursor))
async def list_audit_log(caller: Admin, tx: Tx, paging: Paged, narrowed: Narrowed) -> AuditEntryPage:
    """Every change of configuration or data by a person or a key, the newest first. Messages sent in are not listed."""
    scope = f"audit:{narrowed.digest()}"
    after = paging.after(scope)
    before = after[0] if after else None
    found = await audit.page(tx, caller.workspace_id, narrowed, before=before, limit=paging.fetch)
    rows, cursor = paging.cut(found, scope, lambda row: [row["id"]])
    shown = [AuditEntryOut.model_validate(dict(row), extra="ignore") for row in rows]
    return page(shown, cursor, AuditEntryPage)
