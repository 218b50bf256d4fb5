"""Asking who owns an account and why, and deciding it by hand or through the API."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import evaluation, owner_history, owners, trait_map
from app.db.base import Session
from app.db.owners import Standing
from app.domain.errors import Rejected
from app.domain.owners import Claim, Resolution, Source, resolve, runs
from app.services import accounts, users
from app.services.evaluation import evaluate
from app.services.ownership import has_moved


class UserNotLinked(Rejected):
    """Only a user who is linked to the account can own it."""

    code = "user_not_linked"


@dataclass(frozen=True, slots=True)
class Explained:
    """An owner as stored, and what the rule says of it now. `settling`: the two differ, an evaluation is due."""

    account_id: UUID
    facts: Mapping[str, Any]
    resolution: Resolution
    trait_key: str | None
    said: Claim | None
    settling: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """A choice somebody makes: the user's id or external id, or None for nobody."""

    user: str | None
    source: Source = Source.API
    by: str | None = None


async def explain(db: Session, workspace_id: UUID, ref: str) -> Explained:
    """Who owns the account, and each step of the rule that leads there. Raises `UnknownAccount`."""
    return await _explain(db, workspace_id, await accounts.find(db, workspace_id, ref))


async def _explain(db: Session, workspace_id: UUID, account_id: UUID) -> Explained:
    rules = await trait_map.rules(db, workspace_id)
    key = rules.trait_map.owner
    standing = await _standing(db, workspace_id, account_id, rules)
    resolution = resolve(standing.timeline)
    said = runs(standing.timeline.claims)
    facts = await owners.facts(db, workspace_id, account_id)
    return Explained(
        account_id=account_id,
        facts=facts,
        resolution=resolution,
        trait_key=key,
        said=said[-1] if said else None,
        settling=has_moved(standing, resolution) or facts["owner_state"] != resolution.state,
    )


async def _standing(db: Session, workspace_id: UUID, account_id: UUID, rules: trait_map.Rules) -> Standing:
    found = await owners.standings(db, workspace_id, [account_id], key=rules.trait_map.owner, policy=rules.policy)
    if not found:
        raise accounts.UnknownAccount("No account has this id or external id.")
    return found[0]


async def choose(db: Session, workspace_id: UUID, ref: str, decision: Decision, *, now: datetime) -> Explained:
    """Make a user the owner, or decide that there is none; the answer shows the outcome.

    The choice counts as made now, or with the newest claim where senders' clocks run ahead: who decides today decides
    knowing what the trait says today. Raises `UnknownAccount`, `UnknownUser`, `UserNotLinked`.
    """
    account_id = await accounts.find(db, workspace_id, ref)
    user_id = None if decision.user is None else await users.find(db, workspace_id, decision.user)
    await evaluation.lock_facts(db, workspace_id, [account_id])
    if user_id is not None and not await owners.is_linked(db, workspace_id, account_id, user_id):
        raise UserNotLinked("Link the user to the account first.", user=decision.user)
    standing = await _standing(db, workspace_id, account_id, await trait_map.rules(db, workspace_id))
    newest = max((claim.at for claim in standing.timeline.claims), default=now)
    choice = {
        "user_id": user_id,
        "source": decision.source.value,
        "chosen_at": max(now, newest),
        "chosen_by": decision.by,
    }
    await owner_history.choose(db, workspace_id, account_id, choice)
    await evaluate(db, workspace_id, [account_id], now=now)
    return await _explain(db, workspace_id, account_id)


async def forget_choice(db: Session, workspace_id: UUID, ref: str, *, now: datetime) -> Explained:
    """Drop the choice, so that trait and policy decide again. Harmless without one. Raises `UnknownAccount`."""
    account_id = await accounts.find(db, workspace_id, ref)
    await evaluation.lock_facts(db, workspace_id, [account_id])
    await owner_history.forget_choice(db, workspace_id, account_id)
    await evaluate(db, workspace_id, [account_id], now=now)
    return await _explain(db, workspace_id, account_id)


async def history(
    db: Session, workspace_id: UUID, account_id: UUID, *, before: UUID | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Changes of the account's owner, newest first."""
    return await owner_history.history(db, workspace_id, account_id, before=before, limit=limit)
