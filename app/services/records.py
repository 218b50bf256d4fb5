"""Brings everything derived about users and organizations up to date, in the transaction that took their marks."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from app.db import records, trait_map, watching
from app.db.base import Session, unveiled
from app.domain.fields import Subject
from app.services import lifecycle, segmenting
from app.services.evaluation import earliest


async def evaluate(
    db: Session,
    workspace_id: UUID,
    subject: Subject,
    record_ids: Sequence[UUID],
    *,
    now: datetime,
) -> int:
    """Sum organizations up, then decide status and segments of these users or organizations; how many there are.

    Records that no longer exist are passed over. Every read happens after the facts are locked. Accounts are marked
    where an organization hands its status down; accounts and organizations, where their rules may ask for what was
    decided here. Safe to repeat.
    """
    async with unveiled(db):
        return await _evaluate(db, workspace_id, subject, record_ids, now=now)


async def _evaluate(
    db: Session, workspace_id: UUID, subject: Subject, record_ids: Sequence[UUID], *, now: datetime
) -> int:
    existing = await records.lock_facts(db, workspace_id, subject, record_ids) if record_ids else []
    if not existing:
        return 0
    people = existing if subject is Subject.USERS else []
    before = await records.states_of_users(db, workspace_id, people)
    mapped, _ = await trait_map.read(db, workspace_id)
    if subject is Subject.ORGANIZATIONS:
        await records.roll_up(db, workspace_id, existing, mapped)
    settled = await lifecycle.settle(db, workspace_id, subject, existing, mapped, now=now)
    grouped = await segmenting.judge(db, workspace_id, subject, existing, now)
    after = await records.states_of_users(db, workspace_id, people)
    await records.mark_homes(db, workspace_id, [one for one in people if before[one] != after[one]])
    if subject is Subject.ORGANIZATIONS:
        await records.mark_lagging_accounts(db, workspace_id, existing)
        await watching.tell_accounts(db, workspace_id, existing)
    checks = earliest(settled.next_check_at, grouped)
    await records.note(db, workspace_id, subject, existing, checks, now=now)
    return len(existing)
