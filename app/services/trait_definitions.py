"""Saying what traits are: what was declared beside what was seen, custom traits, and values that disagree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import trait_definitions, trait_map
from app.db.base import Session
from app.domain.fields import Subject
from app.domain.messages import CUSTOM
from app.domain.trait_types import (
    MOST_DEFINITIONS,
    Definition,
    TooManyDefinitions,
    TraitExists,
    TraitType,
    UnknownTrait,
    check,
    custom_key,
    detect,
)


@dataclass(frozen=True, slots=True)
class Known:
    """A trait as it is declared, as it is seen in the latest records, or both."""

    key: str
    definition: Definition | None
    kinds: Mapping[str, int] = field(default_factory=dict)
    records: int = 0
    conflicts: int = 0

    @property
    def detected(self) -> TraitType | None:
        """The type its values suggest."""
        return detect(self.kinds)

    @property
    def label(self) -> str:
        """What it is called."""
        return self.definition.label if self.definition else self.key


async def known(db: Session, workspace_id: UUID, subject: Subject) -> dict[str, Known]:
    """Every trait that is declared or carried by the latest records, by key."""
    declared = await trait_definitions.declared(db, workspace_id, subject)
    seen = {row["key"]: row for row in await trait_definitions.observed(db, workspace_id, subject)}
    found = {}
    for key in sorted(declared.keys() | seen.keys()):
        row = seen.get(key, {"kinds": {}, "records": 0, "conflicts": 0})
        found[key] = Known(key, declared.get(key), row["kinds"], row["records"], row["conflicts"])
    return found


async def page(
    db: Session, workspace_id: UUID, subject: Subject, *, search: str | None, after: str | None, limit: int
) -> Sequence[Known]:
    """Traits by key; with `search`, those whose key or label contains it."""
    wanted = (search or "").casefold()
    found = (await known(db, workspace_id, subject)).values()
    matching = [one for one in found if wanted in one.key.casefold() or wanted in one.label.casefold()]
    return [one for one in matching if after is None or one.key > after][:limit]


async def show(db: Session, workspace_id: UUID, subject: Subject, key: str) -> tuple[Known, Mapping[str, Any] | None]:
    """A trait, and for a declared one how far the values of records agree. Raises `UnknownTrait`."""
    found = (await known(db, workspace_id, subject)).get(key)
    if found is None:
        raise UnknownTrait(f"No trait {key[:100]!r} of {subject} is declared, and the latest records carry none.")
    counts = await trait_definitions.counts(db, workspace_id, found.definition) if found.definition else None
    return found, counts


async def declare(db: Session, workspace_id: UUID, wanted: Definition, *, now: datetime) -> None:
    """Say what a trait is, in the place of what was said before. Custom traits are made first (see `make`).

    Raises `UnusableTrait`, `UnknownTrait`, `TooManyDefinitions`.
    """
    check(wanted)
    await trait_map.lock(db, workspace_id)
    if wanted.key not in await trait_definitions.declared(db, workspace_id, wanted.subject, [wanted.key]):
        if wanted.custom:
            raise UnknownTrait(f"Make custom traits with POST /traits/{wanted.subject}: their key follows their label.")
        await _check_room(db, workspace_id, wanted.subject)
    await trait_definitions.put(db, workspace_id, wanted, now=now)


async def make(db: Session, workspace_id: UUID, wanted: Definition, *, now: datetime) -> str:
    """Make a custom trait, whose key follows from its label; the key.

    Raises `UnusableTrait`, `TraitExists`, `TooManyDefinitions`.
    """
    one = check(replace(wanted, key=custom_key(wanted.label), custom=True))
    await trait_map.lock(db, workspace_id)
    if await trait_definitions.declared(db, workspace_id, one.subject, [one.key]):
        raise TraitExists(f"There is a custom trait {one.key!r}: change it, or choose another label.", key=one.key)
    await _check_room(db, workspace_id, one.subject)
    await trait_definitions.put(db, workspace_id, one, now=now)
    return one.key


async def _check_room(db: Session, workspace_id: UUID, subject: Subject) -> None:
    if await trait_definitions.count(db, workspace_id, subject) >= MOST_DEFINITIONS:
        raise TooManyDefinitions(f"At most {MOST_DEFINITIONS} traits of {subject} can be declared.")


async def forget(db: Session, workspace_id: UUID, subject: Subject, key: str) -> None:
    """Take a declaration back; values stay as they are. Raises `UnknownTrait`."""
    if not await trait_definitions.remove(db, workspace_id, subject, key):
        raise UnknownTrait(f"No trait {key[:100]!r} of {subject} is declared.")


async def conflicts(
    db: Session, workspace_id: UUID, subject: Subject, key: str, *, after: UUID | None, limit: int
) -> tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]:
    """How many of the latest records disagree with the declared type, and a page of them. Raises `UnknownTrait`."""
    declared = (await trait_definitions.declared(db, workspace_id, subject, [key])).get(key)
    if declared is None:
        raise UnknownTrait(f"No trait {key[:100]!r} of {subject} is declared, so nothing can disagree.")
    counts = await trait_definitions.counts(db, workspace_id, declared)
    return counts, await trait_definitions.conflicts(db, workspace_id, declared, after=after, limit=limit)


def is_custom(key: str) -> bool:
    """Whether a key is that of a custom trait."""
    return key.startswith(CUSTOM)
