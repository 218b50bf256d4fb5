"""Asking why a fact of an account or organization is what it is: one explainer per fact, or per family of facts."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from app.db import facts
from app.db.base import Session
from app.domain.fields import Fact, Subject, UnknownFact, find
from app.domain.why import Why
from app.services import (
    element_reasons,
    health_reasons,
    metric_reasons,
    nps_reasons,
    owner_reasons,
    role_reasons,
    segment_reasons,
    status_reasons,
    trait_reasons,
)

Explainer = Callable[[Session, UUID, UUID, Fact, datetime], Awaitable[Why]]

EXPLAINERS: Final[Mapping[str, Explainer]] = {
    "traits.": trait_reasons.trait,
    "name": trait_reasons.name,
    "mrr": status_reasons.mrr,
    "status": status_reasons.status,
    "statusSource": status_reasons.status,
    "statusSince": status_reasons.status,
    "unconverted": status_reasons.status,
    "churnedAt": status_reasons.status,
    "renewsAt": trait_reasons.mapped,
    "trialEndsAt": trait_reasons.mapped,
    "joinedAt": trait_reasons.mapped,
    "owner": owner_reasons.owner,
    "segments": segment_reasons.of_record,
    "csm": role_reasons.role,
    "accountExecutive": role_reasons.role,
    "keyRoles.": role_reasons.role,
    "roleHolders": role_reasons.holders,
    "elements.": element_reasons.element,
    "elementFirstAt.": element_reasons.element,
    "elementLastAt.": element_reasons.element,
    "elementsUsed": element_reasons.used,
    "metrics.": metric_reasons.metric,
    "metricChanges.": metric_reasons.change,
    **dict.fromkeys(nps_reasons.PATHS, nps_reasons.score),
    **dict.fromkeys(health_reasons.PATHS, health_reasons.of_record),
}
"""By the beginning of a fact's path; of several the longest counts. An explainer may leave the value to us (None)."""


_ALIKE: Final = (
    *("traits.", "name", "status", "statusSource", "statusSince", "unconverted", "churnedAt", "renewsAt"),
    *("trialEndsAt", "joinedAt", "segments", "csm", "accountExecutive", "keyRoles.", "roleHolders"),
    *("metrics.", "metricChanges.", "elements.", "elementFirstAt.", "elementLastAt.", "elementsUsed"),
    *nps_reasons.PATHS,
    *health_reasons.PATHS,
)
OF_ORGANIZATIONS: Final[Mapping[str, Explainer]] = {
    **{begin: EXPLAINERS[begin] for begin in _ALIKE},
    "mrr": trait_reasons.mrr_of_organization,
}
"""Those that can tell whose fact it is (see `fields.subject_of`)."""


async def explain(
    db: Session,
    workspace_id: UUID,
    record_id: UUID,
    path: str | None,
    *,
    now: datetime,
    subject: Subject = Subject.ACCOUNTS,
) -> tuple[Fact, Why]:
    """Why a fact of an account or organization is what it is, as evaluated last. Raises `UnknownFact`."""
    if path is None:
        raise UnknownFact("Say which fact: `?fact=mrr`. GET /api/v1/facts lists them.")
    fact = find(path, subject)
    value = await _value(db, workspace_id, subject, record_id, fact, now)
    explainer = _explainer(path, EXPLAINERS if subject is Subject.ACCOUNTS else OF_ORGANIZATIONS)
    found = await explainer(db, workspace_id, record_id, fact, now) if explainer else _copy(fact)
    return fact, replace(found, value=value) if found.value is None else found


def _explainer(path: str, explainers: Mapping[str, Explainer]) -> Explainer | None:
    fitting = [begin for begin in explainers if path == begin or path.startswith(begin.rstrip(".") + ".")]
    return explainers[max(fitting, key=len)] if fitting else None


async def _value(db: Session, workspace_id: UUID, subject: Subject, record_id: UUID, fact: Fact, now: datetime) -> Any:
    found = (await facts.load(db, workspace_id, [record_id], [fact], subject, now=now)).get(record_id, {})
    if fact.key is not None and fact.via is None:
        return found.get("traits", {}).get(fact.key)
    return found.get(fact.path)


def _copy(fact: Fact) -> Why:
    if fact.via is not None:
        return Why(None, f"It is a fact of the account's organization: a copy of {fact.table}.{fact.column}.")
    return Why(None, f"It is a copy of the column {fact.table}.{fact.column}, written as data come in.")
