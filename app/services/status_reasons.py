"""Why an account has its status, the dates of that, and an MRR that no trait says any more."""

from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from app.db.base import Session
from app.domain.fields import Fact, Subject, subject_of
from app.domain.lifecycle import Status
from app.domain.why import Why
from app.services import statuses, trait_reasons
from app.services.statuses import Explained

UNCONVERTED: Final = "A trial is unconverted once its end has passed."
SINCE: Final = "Since when it has had this status, as far as that was seen."
CHURNED: Final = "Since when it is churned: what the churn-date trait says, else the instant that was seen first."


async def status(db: Session, workspace_id: UUID, record_id: UUID, fact: Fact, now: datetime) -> Why:
    """Every rung of the lifecycle rule, and what it came to."""
    found = await statuses.explain_id(db, workspace_id, subject_of(fact), record_id, now=now)
    inputs = [
        {"rung": step.rung, "says": step.says, "verdict": step.verdict, "because": step.because}
        for step in found.decision.steps
    ]
    return Why(None, _rule(fact, found), inputs, found.standing.since, found.standing.source)


def _rule(fact: Fact, found: Explained) -> str:
    match fact.path:
        case "unconverted":
            return UNCONVERTED
        case "statusSince":
            return SINCE
        case "churnedAt":
            return CHURNED
        case _:
            return found.decision.reason


async def mrr(db: Session, workspace_id: UUID, account_id: UUID, fact: Fact, now: datetime) -> Why:
    """The mapped traits; or that a churned account keeps what they said last."""
    found = await trait_reasons.mapped(db, workspace_id, account_id, fact, now)
    if found.source is not None:
        return found
    standing = (await statuses.explain_id(db, workspace_id, Subject.ACCOUNTS, account_id, now=now)).standing
    if standing.mrr is None or standing.status is not Status.CHURNED:
        return found
    return replace(found, rule=f"{found.rule} None does now: a churned account keeps its last MRR.")
