"""API keys: make, list, change, rotate, revoke; and `me`, for a client to see what its key is."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Path

from app.api.deps import Anyone, Integrator, Now, Paged, Services, Tx
from app.api.problems import problems
from app.api.routing import Router
from app.api.schemas.base import page
from app.api.schemas.keys import (
    SCOPES,
    KeyIn,
    KeyIssued,
    KeyOut,
    KeyPage,
    KeyPatch,
    KeyRef,
    MeOut,
    RotationIn,
    WorkspaceRef,
)
from app.api.schemas.members import MemberOut
from app.db.base import Session
from app.domain import ids
from app.domain.cursors import InvalidCursor
from app.domain.keys import Caller, ExpiryInThePast, KeyRevoked, UnknownKey
from app.domain.team import Permission
from app.services import keys, members, workspaces

router = Router("keys")

KeyPath = Annotated[str, Path(description="The key's id.", examples=["key_0190f3c2a1b27c3d8e4f5a6b7c8d9e0f"])]
LINKS = {
    name: {"operationId": name, "parameters": {"key": "$response.body#/id"}}
    for name in ("getKey", "updateKey", "rotateKey", "revokeKey")
}


def _id(key: str) -> UUID:
    found = ids.read("key", key)
    if found is None:
        raise UnknownKey("This workspace has no such key.")
    return found


@router.post(
    "/keys",
    status_code=201,
    operation_id="createKey",
    responses={201: {"links": LINKS}, **problems(ExpiryInThePast)},
)
async def create_key(body: KeyIn, caller: Integrator, tx: Tx, state: Services, now: Now) -> KeyIssued:
    """Make a key. The answer shows its secret, this once."""
    issued = await keys.create(
        tx,
        caller.workspace_id,
        name=body.name,
        scopes=body.scopes,
        environment=state.settings.environment,
        expires_at=body.expires_at,
        now=now,
    )
    chosen = {"requests_per_minute": body.requests_per_minute, "ingest_mode": body.ingest_mode}
    await keys.change(tx, caller.workspace_id, issued.key.id, chosen)
    return KeyIssued.of(issued.key, issued.text)


@router.get("/keys", operation_id="listKeys", responses=problems(InvalidCursor))
async def list_keys(caller: Integrator, tx: Tx, paging: Paged) -> KeyPage:
    """All keys, the newest first; revoked ones stay listed."""
    after = paging.after("keys")
    found = await keys.newest_first(tx, caller.workspace_id, before=after[0] if after else None, limit=paging.fetch)
    shown, cursor = paging.cut(found, "keys", lambda key: [key.id])
    return page([KeyOut.model_validate(key) for key in shown], cursor, KeyPage)


@router.get("/keys/{key}", operation_id="getKey", responses=problems(UnknownKey))
async def get_key(key: KeyPath, caller: Integrator, tx: Tx) -> KeyOut:
    """One key, without its secret."""
    return KeyOut.model_validate(await keys.find(tx, caller.workspace_id, _id(key)))


@router.patch("/keys/{key}", operation_id="updateKey", responses=problems(UnknownKey, KeyRevoked))
async def update_key(key: KeyPath, body: KeyPatch, caller: Integrator, tx: Tx, state: Services) -> KeyOut:
    """Rename a key, give it a rate of its own, or change how it takes data in; effective within five seconds."""
    changed = await keys.change(tx, caller.workspace_id, _id(key), body.changes())
    state.callers.forget()
    return KeyOut.model_validate(changed)


@router.post("/keys/{key}/rotate", operation_id="rotateKey", responses=problems(UnknownKey, KeyRevoked))
async def rotate_key(
    key: KeyPath, body: RotationIn, caller: Integrator, tx: Tx, state: Services, now: Now
) -> KeyIssued:
    """Give a key a new secret. The secrets it has keep working for `overlapHours`, so that you can swap them calmly."""
    issued = await keys.rotate(
        tx,
        caller.workspace_id,
        _id(key),
        state.settings.environment,
        overlap=timedelta(hours=body.overlap_hours),
        now=now,
    )
    state.callers.forget()
    return KeyIssued.of(issued.key, issued.text)


@router.delete("/keys/{key}", status_code=204, operation_id="revokeKey", responses=problems(UnknownKey))
async def revoke_key(key: KeyPath, caller: Integrator, tx: Tx, state: Services, now: Now) -> None:
    """Revoke a key: every secret of it stops working, everywhere within five seconds. Repeating it is harmless."""
    await keys.revoke(tx, caller.workspace_id, _id(key), now=now)
    state.callers.forget()


@router.get("/me", operation_id="getMe")
async def get_me(caller: Anyone, tx: Tx, now: Now) -> MeOut:
    """Who you are here: the key or the member that asks, and what it may do; anybody may ask."""
    workspace = await workspaces.find(tx, caller.workspace_id)
    return MeOut(
        workspace=WorkspaceRef.model_validate(workspace, extra="ignore"),
        key=await _key(caller, tx),
        member=await _member(caller, tx),
        permissions=[permission.value for permission in Permission if caller.may(permission)],
        scopes=[scope for scope in SCOPES if scope in caller.scopes],
        server_time=now,
    )


async def _key(caller: Caller, tx: Session) -> KeyRef | None:
    if caller.key_id is None:
        return None
    return KeyRef.model_validate(await keys.find(tx, caller.workspace_id, caller.key_id), extra="ignore")


async def _member(caller: Caller, tx: Session) -> MemberOut | None:
    if caller.member_id is None:
        return None
    found = await members.find(tx, caller.workspace_id, ids.show("mem", caller.member_id))
    return MemberOut.model_validate(found, extra="ignore")
