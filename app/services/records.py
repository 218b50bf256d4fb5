"""Brings everything derived about users and organizations up to date, in the transaction that took their marks."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from app.db import activity, nps, records, trait_map, watching
from app.db.base import Session, unveiled
from app.domain.fields import Subject
from app.services import element_counting, health, lifecycle, metering, staffing
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
    leaving: Mapping[UUID, datetime] = {}
    counting: Mapping[UUID, datetime] = {}
    people = existing if subject is Subject.USERS else []
    before = await records.states_of_users(db, workspace_id, people)
    mapped, _ = await trait_map.read(db, workspace_id, subject)
    if subject is Subject.USERS:
        await nps.refresh(db, workspace_id, subject, existing)
    if subject is Subject.ORGANIZATIONS:
        await staffing.settle(db, workspace_id, existing, mapped, now=now, subject=subject)
        await records.roll_up(db, workspace_id, existing, mapped)
        leaving = await activity.refresh(db, workspace_id, subject, existing, now=now)
        await element_counting.refresh(db, workspace_id, Subject.ORGANIZATIONS, existing)
        await nps.refresh(db, workspace_id, subject, existing)
    settled = await lifecycle.settle(db, workspace_id, subject, existing, mapped, now=now)
    if subject is Subject.ORGANIZATIONS:
        counting = await metering.settle(db, workspace_id, subject, existing, now=now)
    grouped = await health.between_segments(db, workspace_id, subject, existing, now=now)
    after = await records.states_of_users(db, workspace_id, people)
    await records.mark_homes(db, workspace_id, [one for one in people if before[one] != after[one]])
    if subject is Subject.ORGANIZATIONS:
        await records.mark_lagging_accounts(db, workspace_id, existing)
        await watching.tell_accounts(db, workspace_id, existing)
    checks = earliest(leaving, settled.next_check_at, counting, grouped)
    await records.note(db, workspace_id, subject, existing, checks, now=now)
    return len(existing)
