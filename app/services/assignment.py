"""Choosing who is given a role at which account, fairly even while others choose too."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from app.db import assignment, marks
from app.db.base import Session, unveiled
from app.domain.assignment import Algorithm, deal
from app.domain.errors import Rejected
from app.domain.fields import Subject
from app.domain.filters import bind, parse
from app.domain.roles import Cause
from app.services import members, roles, selections, staffing

MOST_ACCOUNTS: Final = 1_000
MOST_CANDIDATES: Final = 200


class TooManyAccounts(Rejected):
    """The filter keeps more accounts than one request assigns."""

    code = "too_many_accounts"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to assign: a role, who may get it, in which way, and whether present holders are left alone."""

    role: str
    candidates: Sequence[str]
    algorithm: Algorithm
    do_not_replace: bool = False


@dataclass(frozen=True, slots=True)
class Dealt:
    """Who was chosen for which account, in order. `held`: accounts left alone since somebody holds the role there."""

    role: str
    chosen: dict[UUID, UUID]
    held: tuple[UUID, ...] = ()
    changed: frozenset[UUID] = field(default_factory=frozenset)


async def choose(
    db: Session,
    workspace_id: UUID,
    role: str,
    candidates: Sequence[UUID],
    algorithm: Algorithm,
    accounts: Sequence[UUID],
    *,
    do_not_replace: bool = False,
) -> Dealt:
    """Who of the candidates is to get the role at each account, as if one was given after the other.

    Others who choose for this role wait until the transaction ends, so that they see what was assigned in it. Call it
    before you lock any account; then hand `chosen` to `key_roles.assign_many`. Raises `NoCandidate`.
    """
    await assignment.lock(db, workspace_id, role)
    lots = await assignment.lots(db, workspace_id, role, accounts)
    held = tuple(lot.account_id for lot in lots if do_not_replace and lot.holder is not None)
    open_ = [lot for lot in lots if not (do_not_replace and lot.holder is not None)]
    async with unveiled(db):  # what people carry is what they carry, whoever asks
        loads = await assignment.loads(db, workspace_id, role, candidates)
    return Dealt(role, deal(loads, open_, algorithm), held)


async def resolve(db: Session, workspace_id: UUID, wanted: Wanted) -> tuple[str, list[UUID]]:
    """The stored name of the role, and the candidates who are active. Raises `UnknownRole`, `UnknownMember`."""
    role = await roles.hold(db, workspace_id, wanted.role)
    found = [await members.find(db, workspace_id, ref) for ref in dict.fromkeys(wanted.candidates)]
    return role, sorted({row["id"] for row in found if row["deactivated_at"] is None})


async def assign(
    db: Session,
    workspace_id: UUID,
    wanted: Wanted,
    accounts: Sequence[UUID],
    *,
    cause: Cause,
    dry_run: bool = False,
) -> Dealt:
    """Choose and assign; a dry run only chooses. Raises `UnknownRole`, `UnknownMember`, `NoCandidate`."""
    role, candidates = await resolve(db, workspace_id, wanted)
    dealt = await choose(
        db, workspace_id, role, candidates, wanted.algorithm, accounts, do_not_replace=wanted.do_not_replace
    )
    if dry_run:
        return dealt
    given: dict[UUID, UUID | None] = dict(dealt.chosen)
    changed = await staffing.assign_many(db, workspace_id, role, given, cause)
    await marks.mark(db, workspace_id, changed)
    return Dealt(role, dealt.chosen, dealt.held, frozenset(changed))


async def kept(db: Session, workspace_id: UUID, source: Any, *, me: UUID | None, now: datetime) -> list[UUID]:
    """The accounts a filter keeps. Raises `InvalidFilter`, `NeedsMember`, `TooManyAccounts`."""
    tree = bind(parse(source), me)
    found = await selections.matching(db, workspace_id, Subject.ACCOUNTS, tree, now=now, limit=MOST_ACCOUNTS + 1)
    if len(found) > MOST_ACCOUNTS:
        raise TooManyAccounts(f"Assign more than {MOST_ACCOUNTS:,} accounts with POST /api/v1/bulk-edits.")
    return found
