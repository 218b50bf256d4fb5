"""The workspace and the two settings that shape who owns an account and what counts as a conversation."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from app.db import workspaces
from app.db.base import Session
from app.domain.errors import NotFound, Rejected
from app.domain.models import Workspace
from app.services import reprocessing

Policy = Literal["none", "first_user"]
Retention = int | Literal["unchanged"] | None
"""Days; None: without a limit of the workspace's own."""
Seats = int | Literal["unchanged"] | None


class UnknownWorkspace(NotFound):
    """There is no such workspace."""

    code = "unknown_workspace"


class SlugMismatch(Rejected):
    """The confirmation names another workspace."""

    code = "slug_mismatch"


@dataclass(frozen=True, slots=True)
class Changes:
    """What to change about a workspace; None leaves it."""

    name: str | None = None
    owner_default_policy: Policy | None = None
    conversation_tracking: bool | None = None
    event_retention_days: Retention = "unchanged"
    seats: Seats = "unchanged"


async def create(db: Session, workspace_id: UUID, *, slug: str, name: str) -> Workspace:
    """A new workspace with default settings; the transaction must already be in it."""
    return await workspaces.add(db, workspace_id, slug=slug, name=name)


async def id_by_slug(db: Session, slug: str) -> UUID | None:
    """The id of the workspace with this short name, if there is one; in a transaction of no workspace."""
    return await workspaces.id_by_slug(db, slug)


async def find(db: Session, workspace_id: UUID, *, lock: bool = False) -> Workspace:
    """The workspace; UnknownWorkspace when it was deleted meanwhile."""
    workspace = await workspaces.find(db, workspace_id, lock=lock)
    if workspace is None:
        raise UnknownWorkspace("The workspace of this key is gone.")
    return workspace


async def change(db: Session, workspace_id: UUID, changes: Changes, *, now: datetime) -> Workspace:
    """Apply `changes`; those that bear on accounts already stored start a reprocessing of all of them."""
    workspace = await find(db, workspace_id, lock=True)
    workspace.name = changes.name or workspace.name
    policy = changes.owner_default_policy or workspace.owner_default_policy
    tracking = workspace.conversation_tracking
    if changes.conversation_tracking is not None:
        tracking = changes.conversation_tracking
    if changes.event_retention_days != "unchanged":
        workspace.event_retention_days = changes.event_retention_days
    if changes.seats != "unchanged":
        workspace.seats = changes.seats
    if policy != workspace.owner_default_policy:
        workspace.owner_default_policy = policy
        await reprocessing.start(db, workspace_id, "owner_policy", now=now)
    if tracking != workspace.conversation_tracking:
        workspace.conversation_tracking = tracking
        await reprocessing.start(db, workspace_id, "conversation_tracking", now=now)
    await db.flush()
    return workspace


async def delete(db: Session, workspace_id: UUID, *, slug: str) -> None:
    """Delete the workspace and everything in it, its keys included. Raises `SlugMismatch` unless `slug` is its own."""
    await workspaces.hold_senders(db, workspace_id)
    workspace = await find(db, workspace_id, lock=True)
    if workspace.slug != slug:
        raise SlugMismatch("Name the short name of this key's own workspace to confirm; nothing was deleted.")
    await workspaces.delete(db, workspace_id)
