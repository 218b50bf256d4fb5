"""The workspace's own row, and the one way to make a workspace."""

from uuid import UUID

from sqlalchemy import Table, select, text
from sqlalchemy import delete as delete_from

from app.db.base import Session
from app.domain.models import Base, DirtyAccount, Workspace

DELETE_SECONDS = 55


async def find(db: Session, workspace_id: UUID, *, lock: bool = False) -> Workspace | None:
    """The workspace this transaction is in."""
    wanted = select(Workspace).where(Workspace.id == workspace_id)
    if lock:
        wanted = wanted.with_for_update()
    return (await db.execute(wanted)).scalar_one_or_none()


async def take_turn(db: Session, workspace_id: UUID) -> None:
    """Let one transaction at a time change who is in the team.

    Unlike the lock of a workspace that changes, it keeps nobody waiting who only stores rows that belong to it.
    """
    query = select(Workspace.id).where(Workspace.id == workspace_id)
    await db.execute(query.with_for_update(key_share=True))


async def id_by_slug(db: Session, slug: str) -> UUID | None:
    """The id behind a workspace's short name, for the command line; needs no workspace, and shows no other."""
    await db.execute(text("select set_config('steward.slug', :slug, true)"), {"slug": slug})
    return (await db.execute(select(Workspace.id).where(Workspace.slug == slug))).scalar_one_or_none()


async def add(db: Session, workspace_id: UUID, *, slug: str, name: str) -> Workspace:
    """A new workspace; the transaction must already be in it."""
    workspace = Workspace(
        id=workspace_id,
        slug=slug,
        name=name,
        owner_default_policy="none",
        conversation_tracking=False,
        is_counted=True,
    )
    db.add(workspace)
    await db.flush()
    await db.refresh(workspace)
    return workspace


async def hold_senders(db: Session, workspace_id: UUID) -> None:
    """Let flushes that are under way finish, and make later ones wait for this transaction (see `db.ingest`).

    To be called before any row is locked: a flush that shares this lock may need that row to finish.
    """
    await db.execute(text("select pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": str(workspace_id)})


async def join_senders(db: Session, workspace_id: UUID) -> int:
    """Share the lock that deletions take whole, before any row is locked; the workspace's count of erasures.

    A transaction that locks rows first and shares the lock later is where a deletion cannot pass, nor it itself.
    """
    found = await db.scalar(text("select steward_join_senders(:workspace)"), {"workspace": workspace_id})
    return int(found or 0)


async def delete(db: Session, workspace_id: UUID) -> None:
    """Delete every row of the workspace, in one transaction that may take longer than others."""
    await db.execute(text("select set_config('statement_timeout', :limit, true)"), {"limit": f"{DELETE_SECONDS}s"})
    for table in _owned_tables():
        await db.execute(delete_from(table).where(table.c.workspace_id == workspace_id))
    await db.execute(delete_from(Workspace).where(Workspace.id == workspace_id))


def _owned_tables() -> list[Table]:
    """Every table with rows of workspaces: first the marks, so as to wait for evaluators; then children before parents.

    Set by set is much faster than letting the foreign keys cascade row by row, and some tables have no foreign key.
    """
    marks = DirtyAccount.__table__
    tables = [table for table in reversed(Base.metadata.sorted_tables) if "workspace_id" in table.c]
    return sorted(tables, key=lambda table: table is not marks)
