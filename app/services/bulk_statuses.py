"""Deciding the status of many records by hand at once."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from app.db import lifecycle, trait_map
from app.db.base import Session
from app.domain.bulk_edits import CHANGED, UNCHANGED, Difference, Differences, Outcome, Outcomes
from app.domain.fields import Subject
from app.domain.lifecycle import STATUSES, Choice, Status, UnusableStatus
from app.domain.lifecycle_rules import Rules
from app.services import evaluation as of_accounts
from app.services import records as of_records
from app.services.lifecycle import Weighed, in_force, weigh

OVERRULED = Outcome("unchanged", "overruled")
"""A rule that wins over people says otherwise."""


def check(subject: Subject, status: str | None) -> None:
    """Whether records of this kind have such a status. Raises `UnusableStatus`."""
    if status is not None and status not in STATUSES[subject]:
        raise UnusableStatus(f"Of {subject}, the status is one of: {', '.join(STATUSES[subject])}.")


async def apply(
    db: Session,
    workspace_id: UUID,
    subject: Subject,
    records: Sequence[UUID],
    status: str | None,
    *,
    by: str,
    now: datetime,
) -> Outcomes:
    """Choose a status for each record, or (None) forget what was chosen. Those that are gone are left out."""
    await _evaluate(db, workspace_id, subject, records, now)
    before = await _weigh(db, workspace_id, subject, records, now)
    if status is None:
        chosen = {id_: one for id_, one in before.items() if one.standing.choice is not None}
        await lifecycle.drop_choices(db, workspace_id, sorted(chosen))
    else:
        chosen = {id_: one for id_, one in before.items() if not _says(one, Status(status))}
        choices = {id_: _choice(one, Status(status), by, now) for id_, one in chosen.items()}
        await lifecycle.choose(db, workspace_id, subject, choices)
    if chosen:
        await _evaluate(db, workspace_id, subject, sorted(chosen), now)
    after = await _weigh(db, workspace_id, subject, sorted(chosen), now)
    return {id_: _outcome(one, after.get(id_), status) for id_, one in before.items()}


def _says(one: Weighed, status: Status) -> bool:
    """Whether this very choice stands already."""
    return one.standing.choice is not None and one.standing.choice.status is status


def _choice(before: Weighed, status: Status, by: str, now: datetime) -> Choice:
    decision = before.decision
    return Choice(status, decision.outcome, now, paid=decision.found.pays, revenue=before.standing.revenue, by=by)


def _outcome(before: Weighed, after: Weighed | None, status: str | None) -> Outcome:
    if after is None:
        return UNCHANGED
    if status is not None and after.standing.status != status:
        return OVERRULED
    return CHANGED if after.standing.status is not before.standing.status else UNCHANGED


async def compare(
    db: Session,
    workspace_id: UUID,
    subject: Subject,
    records: Sequence[UUID],
    status: str | None,
    *,
    now: datetime,
) -> Differences:
    """The status as it is stored, and the chosen one; without a choice, what the rules say."""
    found = await _weigh(db, workspace_id, subject, records, now)
    return {
        id_: Difference(one.standing.status.value, status or one.decision.outcome.value) for id_, one in found.items()
    }


async def _weigh(
    db: Session, workspace_id: UUID, subject: Subject, records: Sequence[UUID], now: datetime
) -> dict[UUID, Weighed]:
    if not records:
        return {}
    rules = await in_force(db, workspace_id, subject) or Rules()
    mapped, _ = await trait_map.read(db, workspace_id, subject)
    found = await weigh(db, workspace_id, subject, records, rules, mapped, now=now)
    return {one.standing.id: one for one in found}


async def _evaluate(db: Session, workspace_id: UUID, subject: Subject, records: Sequence[UUID], now: datetime) -> None:
    if subject is Subject.ACCOUNTS:
        await of_accounts.evaluate(db, workspace_id, records, now=now)
    else:
        await of_records.evaluate(db, workspace_id, subject, records, now=now)
