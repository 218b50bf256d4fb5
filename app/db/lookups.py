"""The global table that finds whose a session, an invitation or an e-mail address is, by its SHA-256."""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from sqlalchemy import delete, insert, select

from app.db.base import Session
from app.domain.models import MemberLookup

Kind = Literal["session", "invitation", "email"]
MOST = 20  # workspaces one address is looked for in


async def whose(db: Session, kind: Kind, fingerprint: bytes) -> Sequence[tuple[UUID, UUID]]:
    """(workspace, session or invitation or member), oldest first; sees every workspace, as it must."""
    wanted = (
        select(MemberLookup.workspace_id, MemberLookup.subject_id)
        .where(MemberLookup.hash == fingerprint, MemberLookup.kind == kind)
        .order_by(MemberLookup.subject_id)
        .limit(MOST)
    )
    return [(row.workspace_id, row.subject_id) for row in await db.execute(wanted)]


async def add(db: Session, workspace_id: UUID, kind: Kind, fingerprint: bytes, subject_id: UUID) -> None:
    """Let something be found."""
    values = {"hash": fingerprint, "workspace_id": workspace_id, "kind": kind, "subject_id": subject_id}
    await db.execute(insert(MemberLookup).values(values))


async def remove(db: Session, workspace_id: UUID, subject_ids: Sequence[UUID]) -> None:
    """Nothing leads to these any more."""
    await db.execute(
        delete(MemberLookup).where(MemberLookup.workspace_id == workspace_id, MemberLookup.subject_id.in_(subject_ids))
    )
