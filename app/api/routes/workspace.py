"""The workspace of the key, and its settings."""

from app.api.again import until_unhindered
from app.api.deps import Admin, Now, Reader, Services, Tx
from app.api.problems import problems
from app.api.routing import Router
from app.api.schemas.workspace import WorkspaceDeletion, WorkspaceOut, WorkspacePatch
from app.db.base import Session
from app.services import workspaces
from app.services.workspaces import Changes, Retention, Seats, SlugMismatch

router = Router("workspace")


@router.get("/workspace", operation_id="getWorkspace")
async def get_workspace(caller: Reader, tx: Tx) -> WorkspaceOut:
    """The workspace and its settings."""
    return WorkspaceOut.model_validate(await workspaces.find(tx, caller.workspace_id))


@router.patch("/workspace", operation_id="updateWorkspace")
async def update_workspace(body: WorkspacePatch, caller: Admin, tx: Tx, now: Now) -> WorkspaceOut:
    """Change settings. Accounts already stored are brought in line in the background; see the reprocessings."""
    retention: Retention = body.event_retention_days if "event_retention_days" in body.model_fields_set else "unchanged"
    seats: Seats = body.seats if "seats" in body.model_fields_set else "unchanged"
    changes = Changes(body.name, body.owner_default_policy, body.conversation_tracking, retention, seats)
    return WorkspaceOut.model_validate(await workspaces.change(tx, caller.workspace_id, changes, now=now))


@router.delete("/workspace", status_code=204, operation_id="deleteWorkspace", responses=problems(SlugMismatch))
async def delete_workspace(body: WorkspaceDeletion, caller: Admin, state: Services) -> None:
    """Delete the workspace of this key for good: accounts, users, events, settings, webhooks and all its keys.

    Everything goes in one transaction. A workspace too large to go in a minute answers 503 and stays whole.
    """

    async def delete(db: Session) -> None:
        await workspaces.delete(db, caller.workspace_id, slug=body.slug)

    await until_unhindered(state, caller.workspace_id, delete)
    state.callers.forget()
