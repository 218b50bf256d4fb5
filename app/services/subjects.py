"""What is done alike to accounts, users and organizations, whose facts and marks stand in different tables."""

from collections.abc import Collection, Sequence
from uuid import UUID

from app.db import evaluation, marks, record_marks, records
from app.db.base import Session
from app.domain.fields import Subject


async def lock_facts(db: Session, workspace_id: UUID, subject: Subject, record_ids: Sequence[UUID]) -> list[UUID]:
    """The records of these that exist, by id, with their facts locked until the transaction ends."""
    if subject is Subject.ACCOUNTS:
        return await evaluation.lock_facts(db, workspace_id, record_ids)
    return await records.lock_facts(db, workspace_id, subject, record_ids)


async def mark(db: Session, workspace_id: UUID, subject: Subject, record_ids: Collection[UUID]) -> None:
    """Promise to evaluate these records."""
    if subject is Subject.ACCOUNTS:
        await marks.mark(db, workspace_id, sorted(record_ids))
    else:
        await record_marks.mark(db, workspace_id, subject, record_ids)
