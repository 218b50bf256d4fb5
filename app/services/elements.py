"""Elements: defining them, counting them where a record is evaluated, and showing what there is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from app.db import element_instances, elements, jobs
from app.db.base import Session, unveiled
from app.db.element_instances import Asked
from app.domain import ids
from app.domain.elements import (
    MOST_ELEMENTS,
    Definition,
    ElementArchived,
    ElementExists,
    TooManyElements,
    UnknownElement,
    read,
)
from app.domain.fields import SLUG, Subject
from app.domain.jobs import SweepInstances
from app.domain.matching import parse
from app.domain.slugs import slug_of
from app.services import accounts, audit, element_counting, measuring, organizations, reprocessing

__all__ = ["Asked"]

CAUSE: Final = "element"
SWEPT: Final = 10_000
"""Instances that are looked at in one step."""
PATHS: Final = ("elements.", "elementFirstAt.", "elementLastAt.")
"""How the facts of an element begin."""
FINDERS: Final = {Subject.ACCOUNTS: accounts.find, Subject.ORGANIZATIONS: organizations.find}


@dataclass(frozen=True, slots=True)
class Wanted:
    """An element as someone writes it; without a slug, its name makes one."""

    name: str
    slug: str | None
    description: str | None
    definition: Mapping[str, Any]


async def create(db: Session, workspace_id: UUID, new: Wanted, *, now: datetime) -> Mapping[str, Any]:
    """Define an element and have it counted, from the events that are stored and from then on as they come.

    Raises `UnusableElement`, `UnusablePropertyFilter`, `ElementExists`, `TooManyElements`, `TooManyMeasures`.
    """
    definition = _usable(new.definition)
    await elements.lock_definitions(db, workspace_id)
    if await elements.count_live(db, workspace_id) >= MOST_ELEMENTS:
        raise TooManyElements(f"There are at most {MOST_ELEMENTS} elements: archive one first.")
    slug = new.slug or slug_of(new.name, "element")
    if await elements.one(db, workspace_id, by_id=None, slug=slug) is not None:
        raise ElementExists(f"There is an element `{slug}`: give this one another slug.", slug=slug)
    element_id = ids.new_id()
    values: dict[str, Any] = {"name": new.name, "slug": slug, "description": new.description, "definition": definition}
    values |= {"id": element_id, "counted_as": element_id, "created_at": now, "updated_at": now}
    await elements.insert_new(db, workspace_id, values)
    started = await _count_anew(db, workspace_id, element_id, Definition.stored(definition), now=now)
    return {**await find(db, workspace_id, ids.show("elm", element_id)), "reprocessing": started}


async def change(
    db: Session, workspace_id: UUID, ref: str, values: Mapping[str, Any], said: Mapping[str, Any], *, now: datetime
) -> Mapping[str, Any]:
    """Change name or description, or what is `said` of events; where that counts others, everything is counted anew.

    Raises `UnknownElement`, `ElementArchived`, `UnusableElement`, `UnusablePropertyFilter`, `TooManyMeasures`.
    """
    await elements.lock_definitions(db, workspace_id)
    known = await find(db, workspace_id, ref)
    if known["archived_at"] is not None:
        raise ElementArchived("An archived element stays as it is; make a new one.")
    definition = _usable({key: one for key, one in {**known["definition"], **said}.items() if one is not None})
    fresh = {key: value for key, value in {**values, "definition": definition}.items() if known[key] != value}
    if not fresh:
        return {**known, "reprocessing": None}
    audit.add(db, before={key: known[key] for key in fresh})
    counted_as = ids.new_id() if "definition" in fresh else known["counted_as"]
    await elements.change(db, workspace_id, known["id"], {**fresh, "counted_as": counted_as, "updated_at": now})
    started = None
    if "definition" in fresh:
        started = await _count_anew(db, workspace_id, counted_as, Definition.stored(definition), now=now)
        await jobs.put(db, workspace_id, [SweepInstances()])
    return {**await find(db, workspace_id, ids.show("elm", known["id"])), "reprocessing": started}


async def archive(db: Session, workspace_id: UUID, ref: str, *, now: datetime) -> None:
    """Retire an element; its facts and instances go, in the background. Safe to repeat. Raises `UnknownElement`."""
    await elements.lock_definitions(db, workspace_id)
    known = await find(db, workspace_id, ref)
    if known["archived_at"] is None:
        await elements.change(db, workspace_id, known["id"], {"archived_at": now, "updated_at": now})
        await _count_anew(db, workspace_id, known["counted_as"], None, now=now)
        await jobs.put(db, workspace_id, [SweepInstances()])


async def find(db: Session, workspace_id: UUID, ref: str) -> Mapping[str, Any]:
    """The element behind an id, archived or not, or the live one behind a slug. Raises `UnknownElement`."""
    by_id = ids.read("elm", ref)
    nameable = by_id is not None or SLUG.match(ref)
    found = await elements.one(db, workspace_id, by_id=by_id, slug=ref) if nameable else None
    if found is None:
        raise UnknownElement("No element has this id or slug.")
    return found


async def page(
    db: Session, workspace_id: UUID, *, after: UUID | None, limit: int, archived: bool
) -> Sequence[Mapping[str, Any]]:
    """Elements in the order they were made."""
    return await elements.page(db, workspace_id, after=after, limit=limit, archived=archived)


async def being_counted(db: Session, workspace_id: UUID) -> set[UUID]:
    """What those elements are counted as whose stored events are still being looked through."""
    measures, instances = await measuring.waiting(db, workspace_id)
    if not measures and not instances:
        return set()
    live = await element_counting.counted(db, workspace_id)
    return {one.id for one in live if one.id in instances or any(measure in measures for _, measure in one.measures)}


async def record(db: Session, workspace_id: UUID, subject: Subject, ref: str) -> UUID:
    """The account or organization behind an id. Raises `UnknownAccount`, `UnknownOrganization`."""
    return await FINDERS[subject](db, workspace_id, ref)


async def of_record(db: Session, workspace_id: UUID, subject: Subject, ref: str) -> Sequence[Mapping[str, Any]]:
    """What a record has of each element. Raises `UnknownAccount`, `UnknownOrganization`."""
    return await elements.of_record(db, workspace_id, subject, await record(db, workspace_id, subject, ref))


async def instances(
    db: Session, workspace_id: UUID, asked: Asked, *, after: Sequence[Any] | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Instances of an element at a record, an organization's accounts included."""
    return await element_instances.page(db, workspace_id, asked, after=after, limit=limit)


async def labels(db: Session, workspace_id: UUID) -> Mapping[str, str]:
    """What each live element is called, by its slug."""
    return {row["slug"]: row["name"] for row in await elements.live(db, workspace_id)}


async def sweep(db: Session, workspace_id: UUID, after: UUID | None) -> None:
    """Delete some of the instances that no element counts any more, and promise the rest."""
    last = await element_instances.sweep(db, workspace_id, after=after, limit=SWEPT)
    if last is not None:
        await jobs.put(db, workspace_id, [SweepInstances(last)])


async def _count_anew(
    db: Session, workspace_id: UUID, counted_as: UUID, definition: Definition | None, *, now: datetime
) -> UUID:
    """Look for its events from now on, and among the stored ones; without a definition, for none."""
    if definition is None:
        await measuring.look_anew(db, workspace_id)
    elif definition.instance is None:
        await measuring.ensure(db, workspace_id, definition.measured)
        await measuring.look_anew(db, workspace_id)
    else:
        await measuring.look_anew(db, workspace_id, elements=[counted_as])
    async with unveiled(db):
        await reprocessing.start(db, workspace_id, CAUSE, now=now, subject=Subject.ORGANIZATIONS)
        return await reprocessing.start(db, workspace_id, CAUSE, now=now, subject=Subject.ACCOUNTS)


def _usable(source: Mapping[str, Any]) -> dict[str, Any]:
    """A definition as it is kept. Raises `UnusableElement`, `UnusablePropertyFilter`."""
    kept = dict(source)
    for role, step in read(source).steps.items():
        if step.where is not None:
            kept[role.value] = {"event": step.event, "where": parse(step.where, f"#/{role}/where")}
    return kept
