"""Brings everything derived about a set of accounts up to date, in the transaction that took their marks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import access, activity, evaluation, marks, mrr_changes, nps, record_marks, trait_map, watching
from app.db.base import Session, unveiled
from app.domain.fields import Subject
from app.services import element_counting, health, indicators, lifecycle, metering, ownership, staffing

SHOWN_FAILURES = 50


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What an evaluation changed."""

    accounts: int = 0
    owners_changed: int = 0
    fired: int = 0
    resolved: int = 0


async def evaluate(db: Session, workspace_id: UUID, accounts: Sequence[UUID], *, now: datetime) -> Evaluated:
    """Recompute owner, status, MRR and copies of these accounts, and judge their indicators.

    Accounts that no longer exist are passed over. Every read happens after the facts are locked, so of two evaluators
    of one account the later sees all that the earlier saw, and more. Safe to repeat.

    Ingestion marks the accounts a user owns. A transaction under way while somebody becomes the owner saw neither the
    new owner, nor did we see what it stores of that user: so a new owner is looked at once more, a little later.
    """
    async with unveiled(db):
        return await _evaluate(db, workspace_id, accounts, now=now)


async def _evaluate(db: Session, workspace_id: UUID, accounts: Sequence[UUID], *, now: datetime) -> Evaluated:
    existing = await evaluation.lock_facts(db, workspace_id, accounts) if accounts else []
    if not existing:
        return Evaluated()
    rules = await trait_map.rules(db, workspace_id)
    await record_marks.mark_parents(db, workspace_id, existing)  # before it is forgotten which they were
    await staffing.settle(db, workspace_id, existing, rules.trait_map, now=now)
    await evaluation.refresh(db, workspace_id, existing, rules.trait_map)
    await access.refresh(db, workspace_id, existing)
    changed = await ownership.reassign(db, workspace_id, existing, rules, now=now)
    leaving = await activity.refresh(db, workspace_id, Subject.ACCOUNTS, existing, now=now)
    await element_counting.refresh(db, workspace_id, Subject.ACCOUNTS, existing)
    await nps.refresh(db, workspace_id, Subject.ACCOUNTS, existing)
    # Each step reads what the steps before it wrote: owner, status, metrics, segments and health, indicators.
    turning = await lifecycle.apply(db, workspace_id, existing, rules.trait_map, now=now)
    await mrr_changes.note(db, workspace_id, existing, now=now)  # churned accounts may have kept theirs
    counting = await metering.settle(db, workspace_id, Subject.ACCOUNTS, existing, now=now)
    moving = await health.between_segments(db, workspace_id, Subject.ACCOUNTS, existing, now=now)
    judged = await indicators.judge(db, workspace_id, existing, now=now)
    checks = earliest(leaving, turning, counting, moving, judged.next_check_at)
    await evaluation.note(db, workspace_id, existing, checks, now=now)
    await watching.tell_users(db, workspace_id, existing)
    return Evaluated(len(existing), changed, judged.fired, judged.resolved)


def earliest(*instants: Mapping[UUID, datetime]) -> dict[UUID, datetime]:
    """When the clock may next change any answer about each account, of what each step said."""
    soonest: dict[UUID, datetime] = {}
    for said in instants:
        for account, at in said.items():
            soonest[account] = min(at, soonest.get(account, at))
    return soonest


async def overview(db: Session, workspace_id: UUID) -> Mapping[str, Any]:
    """How far evaluation lags behind, and which accounts, users and organizations keep failing."""
    found = await marks.overview(db, workspace_id)
    others = await record_marks.overview(db, workspace_id)
    return {
        **found,
        "failing": await marks.failing(db, workspace_id, limit=SHOWN_FAILURES),
        "records": {**others, "failing": await record_marks.failing(db, workspace_id, limit=SHOWN_FAILURES)},
    }
