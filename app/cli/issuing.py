"""Makes API keys and invitations for people at the command line."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from app.cli.trouble import MISUSED, fail
from app.db.base import Database
from app.domain.errors import Conflict
from app.domain.ids import new_id
from app.domain.team import MemberRole, Scope
from app.services import invitations, keys, workspaces
from app.settings import Settings

SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
EMAIL = re.compile(r"[^\s@]+@[^\s@]+")
FIRST = "main"  # the workspace of someone who has not made one


def check(workspace: str, scopes: Sequence[str]) -> None:
    """Refuse what cannot be meant, before any server is started for it."""
    if unknown := sorted(set(scopes) - set(Scope)):
        fail(f"there is no scope {', '.join(unknown)}; a key may have ingest, read or admin.", MISUSED)
    if not SLUG.fullmatch(workspace):
        fail(f"{workspace!r} cannot be a workspace's short name: use lower-case letters, digits and hyphens.", MISUSED)


async def issue(
    settings: Settings, workspace: str, scopes: Sequence[str], *, name: str, may_create: bool = True
) -> str:
    """The text of a new key of the workspace with this short name."""
    async with Database(settings.database_url, pool=1, name="steward-cli") as database:
        workspace_id = await _workspace(database, workspace, may_create=may_create)
        async with database.transaction(workspace_id) as db:
            issued = await keys.create(
                db,
                workspace_id,
                name=name,
                scopes=scopes,
                environment=settings.environment,
                now=datetime.now(UTC),
            )
    return issued.text


async def invite(settings: Settings, workspace: str, email: str, role: MemberRole) -> str:
    """The token of a new invitation to the workspace with this short name."""
    if not EMAIL.fullmatch(email):
        fail(f"{email!r} is no e-mail address.", MISUSED)
    async with Database(settings.database_url, pool=1, name="steward-cli") as database:
        workspace_id = await _workspace(database, workspace, may_create=False)
        async with database.transaction(workspace_id) as db:
            try:
                made = await invitations.invite(
                    db, workspace_id, email=email, role=role, by="command line", now=datetime.now(UTC)
                )
            except Conflict as error:
                fail(error.detail, MISUSED)
    return made.text


async def _workspace(database: Database, slug: str, *, may_create: bool) -> UUID:
    async with database.open_transaction() as db:
        found = await workspaces.id_by_slug(db, slug)
    if found:
        return found
    if not may_create:
        fail(f"there is no workspace `{slug}`; `steward keys create --create-workspace` makes it.", MISUSED)
    made = new_id()
    async with database.transaction(made) as db:
        await workspaces.create(db, made, slug=slug, name=slug.replace("-", " ").capitalize())
    return made
