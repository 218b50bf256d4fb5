"""Data-access groups: what is restricted to them, who is in them, and what a member may see therefore.

The database holds the veil (see `Database.transaction`): this is for what is asked elsewhere, or later.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from app.db import access, evaluation, marks, record_marks
from app.db.access import Kind
from app.db.base import Session
from app.domain import filters, ids
from app.domain.fields import Subject
from app.domain.filters import Tree
from app.domain.keys import Caller
from app.domain.team import GroupNameTaken, TooManyGroups, UnknownGroup
from app.services import accounts, members, organizations

MOST: Final = 200  # groups of a workspace


def visible(caller: Caller, subject: Subject) -> Tree | None:
    """The condition that records the caller may see satisfy; None: there is none."""
    if caller.sees_all:
        return None
    shared = {"field": "accessGroups", "op": "isNotSet"}
    names = [ids.show("grp", group) for group in sorted(caller.groups)]
    mine = [{"field": "accessGroups", "op": "isAnyOf", "value": names}] if names else []
    seen = {"any": [shared, *mine]}
    if subject is Subject.ORGANIZATIONS:
        return filters.parse(seen, subject)
    seen = {"all": [{"field": "updatedAt", "op": "isSet"}, seen]}  # before that, nobody knows whose an account is
    if subject is Subject.ACCOUNTS:
        return filters.parse(seen, subject)
    return filters.parse({"related": "accounts", "op": "atLeast", "count": 1, "where": seen}, subject)


async def find(db: Session, workspace_id: UUID, group_id: UUID | None) -> Mapping[str, Any]:
    """One group. Raises `UnknownGroup`."""
    found = await access.one(db, workspace_id, group_id) if group_id is not None else None
    if found is None:
        raise UnknownGroup("There is no such data-access group.")
    return found


async def everything(db: Session, workspace_id: UUID) -> Sequence[Mapping[str, Any]]:
    """The groups, by name, with how many members and records each has."""
    return await access.groups(db, workspace_id)


async def create(db: Session, workspace_id: UUID, *, name: str, now: datetime) -> Mapping[str, Any]:
    """A new group, of nobody and nothing yet. Raises `GroupNameTaken`, `TooManyGroups`."""
    await access.lock(db, workspace_id)
    known = await access.groups(db, workspace_id)
    if len(known) >= MOST:
        raise TooManyGroups(f"A workspace has at most {MOST} data-access groups.")
    await _free(known, name, None)
    id_ = ids.new_id()
    await access.insert_new(db, workspace_id, {"id": id_, "name": name, "created_at": now})
    return await find(db, workspace_id, id_)


async def rename(db: Session, workspace_id: UUID, group_id: UUID | None, name: str) -> Mapping[str, Any]:
    """Call a group something else. Raises `UnknownGroup`, `GroupNameTaken`."""
    await access.lock(db, workspace_id)
    group = await find(db, workspace_id, group_id)
    await _free(await access.groups(db, workspace_id), name, group["id"])
    await access.rename(db, workspace_id, group["id"], name)
    return await find(db, workspace_id, group_id)


async def delete(db: Session, workspace_id: UUID, group_id: UUID | None) -> None:
    """Without the group, what only it restricted is seen by all. Raises `UnknownGroup`."""
    await access.lock(db, workspace_id)
    group = await find(db, workspace_id, group_id)
    touched = await access.accounts_of(db, workspace_id, group["id"])
    parents = await access.parents_of(db, workspace_id, group["id"])
    await access.remove(db, workspace_id, group["id"])
    await _settle(db, workspace_id, touched, parents)


async def put(db: Session, workspace_id: UUID, group_id: UUID | None, kind: Kind, ref: str) -> None:
    """Take a member in, or restrict an account or an organization with its accounts. Safe to repeat.

    Raises `UnknownGroup`, and `UnknownMember`, `UnknownAccount` or `UnknownOrganization`.
    """
    await _move(db, workspace_id, group_id, kind, ref, belongs=True)


async def take(db: Session, workspace_id: UUID, group_id: UUID | None, kind: Kind, ref: str) -> None:
    """The opposite of `put`."""
    await _move(db, workspace_id, group_id, kind, ref, belongs=False)


async def listed(
    db: Session, workspace_id: UUID, group_id: UUID | None, kind: Kind, *, after: UUID | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """The members, accounts or organizations of a group. Raises `UnknownGroup`."""
    group = await find(db, workspace_id, group_id)
    return await access.listed(db, workspace_id, group["id"], kind, after=after, limit=limit)


async def refresh(db: Session, workspace_id: UUID, account_ids: Sequence[UUID]) -> None:
    """Write down which groups may see these accounts, whose facts are locked."""
    await access.refresh(db, workspace_id, account_ids)


async def _move(db: Session, workspace_id: UUID, group_id: UUID | None, kind: Kind, ref: str, *, belongs: bool) -> None:
    await access.lock(db, workspace_id)
    group = await find(db, workspace_id, group_id)
    id_ = await _record(db, workspace_id, kind, ref)
    moved = await (access.put if belongs else access.take)(db, workspace_id, group["id"], kind, id_)
    if not moved or kind == "members":
        return
    if kind == "accounts":
        await _settle(db, workspace_id, [id_], [])
    else:
        await _settle(db, workspace_id, await access.children(db, workspace_id, [id_]), [id_])


async def _record(db: Session, workspace_id: UUID, kind: Kind, ref: str) -> UUID:
    if kind == "members":
        found: UUID = (await members.find(db, workspace_id, ref))["id"]
        return found
    find_one = accounts.find if kind == "accounts" else organizations.find
    return await find_one(db, workspace_id, ref)


async def _settle(db: Session, workspace_id: UUID, accounts: Sequence[UUID], parents: Sequence[UUID]) -> None:
    """At once for whoever looks, and by evaluation for what is derived of it and what is kept in memory."""
    await access.refresh_parents(db, workspace_id, sorted(parents))
    existing = await evaluation.lock_facts(db, workspace_id, accounts) if accounts else []
    await access.refresh(db, workspace_id, existing)
    await marks.mark(db, workspace_id, existing)
    await record_marks.mark(db, workspace_id, Subject.ORGANIZATIONS, parents)


async def _free(known: Sequence[Mapping[str, Any]], name: str, but: UUID | None) -> None:
    if any(one["name"].lower() == name.lower() and one["id"] != but for one in known):
        raise GroupNameTaken("A data-access group of this name exists.")
