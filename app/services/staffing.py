"""Writes who of the staff holds which role, with a line of history per change, whatever the change comes from."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import key_roles, role_traits, trait_map
from app.db.base import Session
from app.db.role_tables import ID
from app.domain import ids
from app.domain.fields import Subject
from app.domain.roles import Cause, Decision, MemberDeactivated, Source, Standing, decide, is_news
from app.domain.traits import TraitMap
from app.services import subjects


async def assign_many(
    db: Session,
    workspace_id: UUID,
    role: str,
    wanted: Mapping[UUID, UUID | None],
    cause: Cause,
    *,
    subject: Subject = Subject.ACCOUNTS,
) -> list[UUID]:
    """Give a role to a member per record, or (None) to nobody; the records where the holder changed.

    The caller knows the role, and evaluates the records or marks them. Those that do not exist are passed over. Where
    a trait is mapped to the role, this choice stands until the trait says something else. Raises `MemberDeactivated`.
    """
    if not wanted:
        return []
    present = set(await subjects.lock_facts(db, workspace_id, subject, list(wanted)))
    wanted = {record_id: member_id for record_id, member_id in wanted.items() if record_id in present}
    people = {member_id for member_id in wanted.values() if member_id is not None}
    if left := people - await key_roles.hold_members(db, workspace_id, people):
        raise MemberDeactivated("Add the member again to give them work.", member=ids.show("mem", min(left)))
    key = (await mapped(db, workspace_id, subject)).get(role)
    if key is not None:
        await role_traits.note_choice(db, workspace_id, role, key, sorted(wanted), subject=subject)
    return await key_roles.assign(db, workspace_id, role, wanted, cause, subject=subject)


async def mapped(db: Session, workspace_id: UUID, subject: Subject = Subject.ACCOUNTS) -> Mapping[str, str]:
    """The trait key behind each role that is mapped to one."""
    found, _ = await trait_map.read(db, workspace_id, subject)
    return found.roles


async def settle(
    db: Session,
    workspace_id: UUID,
    records: Sequence[UUID],
    rules: TraitMap,
    *,
    now: datetime,
    subject: Subject = Subject.ACCOUNTS,
) -> int:
    """Let mapped traits say who holds roles at these records, and copy to their facts who does; how many changed.

    The caller holds the facts locked.
    """
    changed = await _follow_traits(db, workspace_id, records, rules.roles, now, subject) if rules.roles else 0
    await key_roles.refresh(db, workspace_id, records, subject=subject)
    return changed


async def _follow_traits(
    db: Session,
    workspace_id: UUID,
    records: Sequence[UUID],
    roles: Mapping[str, str],
    now: datetime,
    subject: Subject,
) -> int:
    async def look() -> list[Standing]:
        return await role_traits.standings(db, workspace_id, records, roles, subject=subject)

    found = await look()
    if any(_is_new_problem(one) for one in found):  # unless somebody comes just now
        await role_traits.lock_arrivals(db, workspace_id, alone=False)
        found = await look()
    named = {one.named for one in found if one.named is not None}
    if named - await key_roles.hold_members(db, workspace_id, named):  # somebody left just now
        await role_traits.lock_arrivals(db, workspace_id, alone=False)
        found = await look()
    decided: list[tuple[Standing, Decision]] = [(one, decide(one)) for one in found]
    moves: dict[str, dict[UUID, UUID | None]] = defaultdict(dict)
    for one, decision in decided:
        if decision.holder != one.holder:
            moves[one.role][one.record_id] = decision.holder
    cause = Cause(Source.TRAIT, None, now)
    for role in sorted(moves):
        await key_roles.assign(db, workspace_id, role, moves[role], cause, subject=subject)
    news = [(one, decision) for one, decision in decided if is_news(one, decision)]
    await role_traits.save(db, workspace_id, news, subject=subject)
    return sum(len(one) for one in moves.values())


def _is_new_problem(one: Standing) -> bool:
    decision = decide(one)
    return decision.problem is not None and is_news(one, decision)


async def hold_held(db: Session, workspace_id: UUID, member_id: UUID) -> None:
    """Somebody is about to leave: lock the facts of what they look after, before anything is written of them.

    Whoever writes who holds a role locks facts first, then members, then roles. In another order two would wait for
    each other. What they are given in between is not locked; that is rare, and the request is tried again then.
    """
    for subject in ID:
        held = await key_roles.held_by(db, workspace_id, member_id, subject=subject)
        await subjects.lock_facts(db, workspace_id, subject, held)


async def release_all(
    db: Session, workspace_id: UUID, member_id: UUID, *, by: str | None = None, now: datetime
) -> None:
    """Somebody leaves: whatever they hold becomes free, and what they held it at is evaluated anew."""
    cause = Cause(Source.DEACTIVATION, by, now)
    for subject in ID:
        freed = await key_roles.release_all(db, workspace_id, member_id, cause, subject=subject)
        await subjects.mark(db, workspace_id, subject, freed)


async def expect(db: Session, workspace_id: UUID) -> None:
    """Somebody is about to be new, back, or have another e-mail address: to be said before anything is written."""
    await role_traits.lock_arrivals(db, workspace_id, alone=True)


async def welcome(db: Session, workspace_id: UUID, member: Mapping[str, Any]) -> None:
    """The one expected is there: accounts and organizations whose trait names them are evaluated anew."""
    names = [ids.show("mem", member["id"]), member["email"]]
    for subject in ID:
        waiting = await role_traits.awaiting(db, workspace_id, names, subject=subject)
        await subjects.mark(db, workspace_id, subject, waiting)
