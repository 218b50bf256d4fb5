"""Writes who of the staff holds which role, with a line of history per change, whatever the change comes from."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import evaluation, key_roles, marks, role_traits, trait_map
from app.db.base import Session
from app.domain import ids
from app.domain.roles import Cause, Decision, MemberDeactivated, Source, Standing, decide, is_news
from app.domain.traits import TraitMap


async def assign_many(
    db: Session,
    workspace_id: UUID,
    role: str,
    wanted: Mapping[UUID, UUID | None],
    *,
    source: Source,
    by: str | None = None,
    now: datetime,
) -> list[UUID]:
    """Give a role to a member per account, or (None) to nobody; the accounts where the holder changed.

    The caller knows the role, and evaluates the accounts or marks them. Accounts that do not exist are passed over.
    Where a trait is mapped to the role, this choice stands until the trait says something else. Raises
    `MemberDeactivated`.
    """
    if not wanted:
        return []
    present = set(await evaluation.lock_facts(db, workspace_id, list(wanted)))
    wanted = {account_id: member_id for account_id, member_id in wanted.items() if account_id in present}
    people = {member_id for member_id in wanted.values() if member_id is not None}
    if left := people - await key_roles.hold_members(db, workspace_id, people):
        raise MemberDeactivated("Add the member again to give them work.", member=ids.show("mem", min(left)))
    key = (await mapped(db, workspace_id)).get(role)
    if key is not None:
        await role_traits.note_choice(db, workspace_id, role, key, sorted(wanted))
    return await key_roles.assign(db, workspace_id, role, wanted, Cause(source, by, now))


async def mapped(db: Session, workspace_id: UUID) -> Mapping[str, str]:
    """The trait key behind each role that is mapped to one."""
    found, _ = await trait_map.read(db, workspace_id)
    return found.roles


async def settle(db: Session, workspace_id: UUID, accounts: Sequence[UUID], rules: TraitMap, *, now: datetime) -> int:
    """Let mapped traits say who holds roles at these accounts, and copy to their facts who does; how many changed.

    The caller holds the facts locked.
    """
    changed = await _follow_traits(db, workspace_id, accounts, rules.roles, now) if rules.roles else 0
    await key_roles.refresh(db, workspace_id, accounts)
    return changed


async def _follow_traits(
    db: Session, workspace_id: UUID, accounts: Sequence[UUID], roles: Mapping[str, str], now: datetime
) -> int:
    found = await role_traits.standings(db, workspace_id, accounts, roles)
    if any(_is_new_problem(one) for one in found):  # unless somebody comes just now
        await role_traits.lock_arrivals(db, workspace_id, alone=False)
        found = await role_traits.standings(db, workspace_id, accounts, roles)
    named = {one.named for one in found if one.named is not None}
    if named - await key_roles.hold_members(db, workspace_id, named):  # somebody left just now
        await role_traits.lock_arrivals(db, workspace_id, alone=False)
        found = await role_traits.standings(db, workspace_id, accounts, roles)
    decided: list[tuple[Standing, Decision]] = [(one, decide(one)) for one in found]
    moves: dict[str, dict[UUID, UUID | None]] = defaultdict(dict)
    for one, decision in decided:
        if decision.holder != one.holder:
            moves[one.role][one.account_id] = decision.holder
    for role in sorted(moves):
        await key_roles.assign(db, workspace_id, role, moves[role], Cause(Source.TRAIT, None, now))
    await role_traits.save(db, workspace_id, [(one, decision) for one, decision in decided if is_news(one, decision)])
    return sum(len(one) for one in moves.values())


def _is_new_problem(one: Standing) -> bool:
    decision = decide(one)
    return decision.problem is not None and is_news(one, decision)


async def release_all(
    db: Session, workspace_id: UUID, member_id: UUID, *, by: str | None = None, now: datetime
) -> None:
    """Somebody leaves: whatever they hold becomes free, and their accounts are evaluated anew."""
    cause = Cause(Source.DEACTIVATION, by, now)
    await marks.mark(db, workspace_id, await key_roles.release_all(db, workspace_id, member_id, cause))


async def expect(db: Session, workspace_id: UUID) -> None:
    """Somebody is about to be new, back, or have another e-mail address: to be said before anything is written."""
    await role_traits.lock_arrivals(db, workspace_id, alone=True)


async def welcome(db: Session, workspace_id: UUID, member: Mapping[str, Any]) -> None:
    """The one expected is there: accounts whose trait names them are evaluated anew."""
    names = [ids.show("mem", member["id"]), member["email"]]
    await marks.mark(db, workspace_id, await role_traits.awaiting(db, workspace_id, names))
