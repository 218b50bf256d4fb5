"""Has a rule hear of everything it asks about: of users, of organizations, of accounts."""

from collections.abc import Iterable
from uuid import UUID

from app.db import records, watching
from app.db.base import Session
from app.domain.fields import Subject
from app.domain.filters import Tree, asks_about
from app.domain.filters.watching import watches


async def attend(db: Session, workspace_id: UUID, subject: Subject, trees: Iterable[Tree]) -> None:
    """From now on mark what these rules about a subject must hear of. The caller has every record looked at next."""
    known = list(trees)
    if known and (subject is Subject.USERS or any(asks_about(tree, Subject.USERS) for tree in known)):
        await records.watch_users(db, workspace_id)
    await watching.watch(db, workspace_id, {one for tree in known for one in watches(tree, subject)})
