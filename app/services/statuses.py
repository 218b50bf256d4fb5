"""Asking which status a record has and why, deciding it by hand, and how it came to be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from app.db import lifecycle, trait_map
from app.db.base import Session
from app.db.lifecycle import Standing
from app.domain.errors import NotFound
from app.domain.fields import Subject
from app.domain.lifecycle import STATUSES, Choice, Decision, Status, UnusableStatus
from app.domain.lifecycle_rules import Rules
from app.services import accounts, audit, organizations, users
from app.services import evaluation as of_accounts
from app.services import records as of_records
from app.services.lifecycle import Weighed, has_moved, in_force, weigh

FINDERS: Final = {
    Subject.ACCOUNTS: accounts.find,
    Subject.ORGANIZATIONS: organizations.find,
    Subject.USERS: users.find,
}
UNKNOWN: Final[Mapping[Subject, type[NotFound]]] = {
    Subject.ACCOUNTS: accounts.UnknownAccount,
    Subject.ORGANIZATIONS: organizations.UnknownOrganization,
    Subject.USERS: users.UnknownUser,
}


@dataclass(frozen=True, slots=True)
class Explained:
    """A status as stored, and what the rule says of it now. `settling`: the two differ, an evaluation is due."""

    standing: Standing
    decision: Decision
    settling: bool


async def explain(db: Session, workspace_id: UUID, subject: Subject, ref: str, *, now: datetime) -> Explained:
    """Which status a record has, and each rung of the rule. Raises NotFound."""
    record_id = await FINDERS[subject](db, workspace_id, ref)
    return await explain_id(db, workspace_id, subject, record_id, now=now)


async def explain_id(db: Session, workspace_id: UUID, subject: Subject, record_id: UUID, *, now: datetime) -> Explained:
    """The same of a record whose id of ours is known. Raises NotFound."""
    found = await _weigh(db, workspace_id, subject, record_id, now)
    differs = found.standing.source != found.decision.source and found.standing.evaluated
    return Explained(found.standing, found.decision, has_moved(found) or differs)


async def _weigh(db: Session, workspace_id: UUID, subject: Subject, record_id: UUID, now: datetime) -> Weighed:
    rules = await in_force(db, workspace_id, subject) or Rules()
    mapped, _ = await trait_map.read(db, workspace_id, subject)
    found = await weigh(db, workspace_id, subject, [record_id], rules, mapped, now=now)
    if not found:
        raise UNKNOWN[subject]("There is no such record any more.")
    return found[0]


async def choose(
    db: Session,
    workspace_id: UUID,
    subject: Subject,
    ref: str,
    status: Status | None,
    *,
    by: str | None,
    now: datetime,
) -> Explained:
    """Give a record a status by hand, or hand it back to the rules (None); the answer shows the outcome.

    The choice holds until the rules come to say otherwise than they do now. The record is evaluated before, so that
    what the rules say now is known, and after. Raises NotFound, `UnusableStatus`.
    """
    if status is not None and status not in STATUSES[subject]:
        raise UnusableStatus(f"Of {subject}, the status is one of: {', '.join(STATUSES[subject])}.")
    record_id = await FINDERS[subject](db, workspace_id, ref)
    await _evaluate(db, workspace_id, subject, record_id, now)
    before = await _weigh(db, workspace_id, subject, record_id, now)
    audit.add(db, before={"status": before.standing.status.value, "source": before.standing.source})
    if status is None:
        await lifecycle.drop_choices(db, workspace_id, [record_id])
    else:
        await lifecycle.choose(db, workspace_id, subject, {record_id: _choice(before, status, by, now)})
    await _evaluate(db, workspace_id, subject, record_id, now)
    return await explain_id(db, workspace_id, subject, record_id, now=now)


def _choice(before: Weighed, status: Status, by: str | None, now: datetime) -> Choice:
    decision = before.decision
    return Choice(status, decision.outcome, now, paid=decision.found.pays, revenue=before.standing.revenue, by=by)


async def _evaluate(db: Session, workspace_id: UUID, subject: Subject, record_id: UUID, now: datetime) -> None:
    """Evaluators of one record wait for each other from here on: its facts stay locked until the transaction ends."""
    if subject is Subject.ACCOUNTS:
        await of_accounts.evaluate(db, workspace_id, [record_id], now=now)
    else:
        await of_records.evaluate(db, workspace_id, subject, [record_id], now=now)


async def find(db: Session, workspace_id: UUID, subject: Subject, ref: str) -> UUID:
    """The record behind an id of ours or an external id. Raises NotFound."""
    return await FINDERS[subject](db, workspace_id, ref)


async def history(
    db: Session, workspace_id: UUID, record_id: UUID, *, before: int | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Changes of a record's status, the newest first."""
    return await lifecycle.history(db, workspace_id, record_id, before=before, limit=limit)
