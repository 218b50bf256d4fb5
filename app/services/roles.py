"""The key roles of a workspace: the two that all have, and up to fifty of its own."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import roles
from app.db.base import Session
from app.domain.roles import (
    BUILT_IN,
    MOST_ROLES,
    BuiltInRole,
    RoleHeld,
    RoleTaken,
    TooManyRoles,
    UnknownRole,
    name_of,
    slug_of,
)

COUNTED = 10_000


async def page(db: Session, workspace_id: UUID) -> Sequence[Mapping[str, Any]]:
    """All roles: those that every workspace has, then its own by name."""
    found = {row["slug"]: row for row in await roles.stored(db, workspace_id)}
    built_in = [_built_in(slug, found.get(slug)) for slug in BUILT_IN]
    return [*built_in, *({**row, "built_in": False} for slug, row in found.items() if slug not in BUILT_IN)]


def _built_in(slug: str, row: Mapping[str, Any] | None) -> Mapping[str, Any]:
    said = row or {"slug": slug, "label": BUILT_IN[slug], "description": None, "created_at": None}
    return {**said, "built_in": True}


async def show(db: Session, workspace_id: UUID, name: str) -> Mapping[str, Any]:
    """One role by its name. Raises `UnknownRole`."""
    slug = slug_of(name)
    found = next((row for row in await page(db, workspace_id) if row["slug"] == slug), None)
    if found is None:
        raise UnknownRole("GET /api/v1/roles lists the key roles there are.", role=name[:80])
    return found


async def hold(db: Session, workspace_id: UUID, name: str) -> str:
    """The stored name of a role, which cannot be deleted until this transaction ends. Raises `UnknownRole`."""
    slug = slug_of(name)
    if slug is None or not (slug in BUILT_IN or await roles.hold(db, workspace_id, slug)):
        raise UnknownRole("GET /api/v1/roles lists the key roles there are.", role=name[:80])
    return slug


async def labels(db: Session, workspace_id: UUID) -> Mapping[str, str]:
    """What each role is called."""
    return {row["slug"]: row["label"] for row in await page(db, workspace_id)}


async def create(
    db: Session, workspace_id: UUID, *, slug: str, label: str, description: str | None, now: datetime
) -> Mapping[str, Any]:
    """A role of the workspace's own. Raises `RoleTaken`, `TooManyRoles`."""
    await roles.lock(db, workspace_id)
    known = [row["slug"] for row in await page(db, workspace_id)]
    if slug in known or name_of(slug) in known:
        raise RoleTaken("Choose another name, or change this role.", role=name_of(slug))
    if len(known) - len(BUILT_IN) >= MOST_ROLES:
        raise TooManyRoles(f"A workspace has at most {MOST_ROLES} key roles of its own.", allowed=MOST_ROLES)
    await roles.put(db, workspace_id, slug, {"label": label, "description": description, "created_at": now})
    return await show(db, workspace_id, slug)


async def change(
    db: Session, workspace_id: UUID, name: str, changes: Mapping[str, Any], *, now: datetime
) -> Mapping[str, Any]:
    """Call a role something else, or describe it. Raises `UnknownRole`."""
    await roles.lock(db, workspace_id)
    role = await show(db, workspace_id, name)
    values = {part: role[part] for part in ("label", "description", "created_at")} | dict(changes)
    await roles.put(db, workspace_id, role["slug"], {**values, "created_at": role["created_at"] or now})
    return await show(db, workspace_id, name)


async def remove(db: Session, workspace_id: UUID, name: str) -> None:
    """Delete a role that nobody holds; what was held stays in the history.

    Raises `UnknownRole`, `BuiltInRole`, `RoleHeld`.
    """
    slug = (await show(db, workspace_id, name))["slug"]
    if slug in BUILT_IN:
        raise BuiltInRole("It can be called something else, but not be deleted.")
    await roles.hold(db, workspace_id, slug, alone=True)
    held = await roles.count_held(db, workspace_id, slug, most=COUNTED)
    if held:
        more = " or more" if held == COUNTED else ""
        raise RoleHeld(f"Release it first: it is held at {held}{more} account(s) or organization(s).", accounts=held)
    await roles.remove(db, workspace_id, slug)
