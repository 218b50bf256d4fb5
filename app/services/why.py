"""Asking why a fact of an account is what it is: one explainer per fact, or per family of facts."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from app.db import facts
from app.db.base import Session
from app.domain.fields import Fact, Subject, UnknownFact, find
from app.domain.why import Why
from app.services import accounts, owner_reasons, role_reasons, segment_reasons, status_reasons, trait_reasons

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
    "segments": segment_reasons.of_account,
    "csm": role_reasons.role,
    "accountExecutive": role_reasons.role,
    "keyRoles.": role_reasons.role,
    "roleHolders": role_reasons.holders,
}
"""By the beginning of a fact's path; of several the longest counts. An explainer may leave the value to us (None)."""


async def explain(db: Session, workspace_id: UUID, ref: str, path: str | None, *, now: datetime) -> tuple[Fact, Why]:
    """Why a fact is what it is, as evaluated last. Raises `UnknownAccount`, `UnknownFact`."""
    account_id = await accounts.find(db, workspace_id, ref)
    if path is None:
        raise UnknownFact("Say which fact: `?fact=mrr`. GET /api/v1/facts lists them.")
    fact = find(path, Subject.ACCOUNTS)
    value = await _value(db, workspace_id, account_id, fact, now)
    explainer = _explainer(path)
    found = await explainer(db, workspace_id, account_id, fact, now) if explainer else _copy(fact)
    return fact, replace(found, value=value) if found.value is None else found


def _explainer(path: str) -> Explainer | None:
    fitting = [begin for begin in EXPLAINERS if path == begin or path.startswith(begin.rstrip(".") + ".")]
    return EXPLAINERS[max(fitting, key=len)] if fitting else None


async def _value(db: Session, workspace_id: UUID, account_id: UUID, fact: Fact, now: datetime) -> Any:
    found = (await facts.load(db, workspace_id, [account_id], [fact], now=now)).get(account_id, {})
    if fact.key is not None and fact.via is None:
        return found.get("traits", {}).get(fact.key)
    return found.get(fact.path)


def _copy(fact: Fact) -> Why:
    if fact.via is not None:
        return Why(None, f"It is a fact of the account's organization: a copy of {fact.table}.{fact.column}.")
    return Why(None, f"It is a copy of the column {fact.table}.{fact.column}, written as data come in.")
