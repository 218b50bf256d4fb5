"""Applies the owner rule to a set of accounts whose facts are locked, and tells the world what changed."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import owner_history, owners
from app.db.base import Session
from app.db.owner_history import Change
from app.db.owners import Standing
from app.db.trait_map import Rules
from app.domain import ids
from app.domain.deliveries import Announcement
from app.domain.owners import Person, Resolution, resolve, surplus
from app.services import deliveries

CHANGED = "account.owner_changed"
CROWDED = 64


async def reassign(db: Session, workspace_id: UUID, accounts: Sequence[UUID], rules: Rules, *, now: datetime) -> int:
    """Decide and store who owns each account, with a line of history per change; how many owners changed."""
    key = rules.trait_map.owner
    if key is not None:
        await owners.keep_present(db, workspace_id, accounts, key)
    elif rules.policy == "none":
        accounts = await owners.concerned(db, workspace_id, accounts)
        if not accounts:
            return 0
    found = await owners.standings(db, workspace_id, accounts, key=key, policy=rules.policy)
    decided = {standing.account_id: resolve(standing.timeline) for standing in found}
    moved = [standing for standing in found if has_moved(standing, decided[standing.account_id])]
    newcomers = {owner.user_id for one in moved if (owner := decided[one.account_id].owner)}
    await owners.hold_users(db, workspace_id, newcomers)
    await owners.settle(db, workspace_id, decided)
    changes = [Change(ids.new_id(), one.account_id, one.owner_id, decided[one.account_id]) for one in moved]
    await owner_history.record(db, workspace_id, changes, key=key, now=now)
    announcements = [_announcement(one, change, now) for one, change in zip(moved, changes, strict=True)]
    if announcements:
        await deliveries.announce(db, workspace_id, announcements, now=now)
    if key is not None:
        await _forget_repetitions(db, workspace_id, found, key)
    return len(changes)


def has_moved(standing: Standing, resolution: Resolution) -> bool:
    """Whether the rule names another user than the one who is stored as owner."""
    return standing.owner_id != (resolution.owner.user_id if resolution.owner else None)


def _announcement(standing: Standing, change: Change, now: datetime) -> Announcement:
    resolution = change.resolution
    before = _shown(standing.owner_id, standing.owner_external_id)
    data = {
        "previousOwner": before,
        "newOwner": _shown_person(resolution.owner),
        "source": resolution.source.value if resolution.source else None,
        "reason": resolution.reason,
    }
    return Announcement(CHANGED, standing.account_id, change.id, now, data)


def _shown(user_id: UUID | None, external_id: str | None) -> Mapping[str, Any] | None:
    return None if user_id is None else {"id": ids.show("usr", user_id), "externalId": external_id}


def _shown_person(person: Person | None) -> Mapping[str, Any] | None:
    return None if person is None else _shown(person.user_id, person.external_id)


async def _forget_repetitions(db: Session, workspace_id: UUID, found: Sequence[Standing], key: str) -> None:
    """A trait sent with every page view says the same thing thousands of times: keep what can still matter."""
    crowded = {standing.account_id: standing for standing in found if standing.stored_claims > CROWDED}
    if not crowded:
        return
    stored = await owners.all_claims(db, workspace_id, sorted(crowded), key)
    for account_id, claims in stored.items():
        choice = crowded[account_id].timeline.choice
        extra = surplus(claims, choice_at=choice.at if choice else None)
        if extra:
            await owners.drop_claims(db, workspace_id, account_id, key, extra)
