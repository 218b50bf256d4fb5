"""Why an account's owner, and every fact about them, is what it is."""

from datetime import datetime
from uuid import UUID

from app.db.base import Session
from app.domain import ids
from app.domain.fields import Fact
from app.domain.why import Why
from app.services import owners


async def owner(db: Session, workspace_id: UUID, account_id: UUID, fact: Fact, now: datetime) -> Why:
    """The steps of the owner's own rule; for a copy of something of the owner's, that it is one."""
    del now
    found = await owners.explain(db, workspace_id, ids.show("acc", account_id))
    resolution = found.resolution
    copied = fact.path not in ("owner", "owner.id", "owner.state", "owner.source", "owner.pending", "owner.since")
    return Why(
        value=None,
        rule=f"A copy of what is known of the owner. {resolution.reason}" if copied else resolution.reason,
        inputs=[
            {
                "kind": step.kind,
                "at": step.at,
                "value": step.value,
                "verdict": step.verdict.value,
                "because": step.because,
            }
            for step in resolution.steps
        ],
        since=resolution.since,
        source=resolution.source.value if resolution.source else None,
    )
