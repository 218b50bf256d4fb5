"""Keeping reports as views, and asking for a report through one."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import views
from app.db.base import Session
from app.domain import ids
from app.domain.fields import Subject
from app.domain.keys import Caller
from app.domain.reports import Asked, Report
from app.domain.summaries import Gathering, gather
from app.domain.team import Permission
from app.domain.views import MOST_VIEWS, TooManyViews, UnknownView, asked, check
from app.services import audit, reports


async def create(db: Session, caller: Caller, new: Mapping[str, Any], *, now: datetime) -> Mapping[str, Any]:
    """Keep a view; a shared one if they may publish. Raises `InvalidFilter`, `InvalidReport`, `TooManyViews`."""
    _may_share(caller, new["shared"])
    check(new)
    await views.lock_owner(db, caller.workspace_id, caller.actor)
    if await views.count_of(db, caller.workspace_id, caller.actor) >= MOST_VIEWS:
        raise TooManyViews(f"One owner has at most {MOST_VIEWS} views: delete one first.")
    view_id = ids.new_id()
    values = {**new, "id": view_id, "owner": caller.actor, "created_at": now, "updated_at": now}
    await views.insert_new(db, caller.workspace_id, values)
    return await show(db, caller, view_id)


async def show(db: Session, caller: Caller, view_id: UUID | None, *, lock: bool = False) -> Mapping[str, Any]:
    """A view the caller may see: their own, and what is shared. Raises `UnknownView`."""
    found = None
    if view_id is not None:
        found = await views.one(db, caller.workspace_id, view_id, viewer=caller.actor, lock=lock)
    if found is None:
        raise UnknownView("You have no view with this id, and none is shared with you.")
    return found


async def page(
    db: Session, caller: Caller, *, subject: Subject | None, after: Sequence[Any] | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """The views the caller may see: pinned ones in their order, then the others as they were made."""
    since = None if after is None else (after[0], after[1])
    return await views.page(db, caller.workspace_id, viewer=caller.actor, subject=subject, after=since, limit=limit)


def place(view: Mapping[str, Any]) -> list[Any]:
    """Where a view stands in the list."""
    return [views.UNPINNED if view["pinned"] is None else view["pinned"], view["id"]]


async def change(
    db: Session, caller: Caller, view_id: UUID | None, wanted: Mapping[str, Any], *, now: datetime
) -> Mapping[str, Any]:
    """Change some of a view. Raises `UnknownView` and what `create` raises; a shared view needs whoever may share."""
    known = await show(db, caller, view_id, lock=True)
    for sharing in {known["shared"], wanted.get("shared", known["shared"])}:
        _may_share(caller, sharing)
    values = {key: value for key, value in wanted.items() if known[key] != value}
    if values.get("shared") == "private":
        values["owner"] = caller.actor  # whoever takes a view back has it, rather than nobody they can ask
    if not values:
        return known
    check({**known, **values})
    audit.add(db, before={name: known[name] for name in values})
    await views.change(db, caller.workspace_id, known["id"], {**values, "updated_at": now})
    return await show(db, caller, view_id)


async def remove(db: Session, caller: Caller, view_id: UUID | None) -> None:
    """Delete a view. Raises `UnknownView`; a shared view needs whoever may share."""
    known = await show(db, caller, view_id, lock=True)
    _may_share(caller, known["shared"])
    audit.add(db, before={"name": known["name"], "subject": known["subject"]})
    await views.remove(db, caller.workspace_id, known["id"])


async def merged(
    db: Session, caller: Caller, subject: Subject, view_id: UUID | None, said: Asked, given: Collection[str]
) -> Asked:
    """What is asked for: the view, where there is one, with what was `given` besides in place of its parts.

    Raises `UnknownView` (of another subject too), `BrokenView`.
    """
    if view_id is None:
        return said
    view = await show(db, caller, view_id)
    if view["subject"] != subject:
        raise UnknownView(f"This view is on {view['subject']}, not on {subject}.")
    return replace(asked(view), **{name: getattr(said, name) for name in given})


async def report(
    db: Session, caller: Caller, subject: Subject, view_id: UUID | None, said: Asked, given: Collection[str]
) -> Report:
    """The report that is asked for, through a view or not. Raises what `merged` and `reports.understood` raise."""
    return reports.understood(caller, subject, await merged(db, caller, subject, view_id, said, given))


async def gathering(
    db: Session,
    caller: Caller,
    view_id: UUID | None,
    said: Mapping[str, Sequence[Mapping[str, Any]]],
    given: Collection[str],
    subject: Subject,
) -> Gathering:
    """How to bring records together: as the view says, with what was `given` besides in place of it."""
    kept: Mapping[str, Any] = {} if view_id is None else await show(db, caller, view_id)
    wanted = {name: said[name] if name in given or not kept else kept[name] for name in said}
    return gather(wanted["group_by"], wanted["aggregates"], subject)


def _may_share(caller: Caller, sharing: str) -> None:
    if sharing == "shared":
        caller.require(Permission.PUBLISH_VIEWS)
