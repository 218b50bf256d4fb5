"""Finding and showing instances of custom objects."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from app.db import custom_objects
from app.db.base import Session
from app.domain import ids
from app.domain.errors import NotFound


class UnknownInstance(NotFound):
    """There is no such instance of this custom object."""

    code = "unknown_instance"


async def objects(db: Session, workspace_id: UUID, *, after: str | None, limit: int) -> Sequence[Mapping[str, Any]]:
    """The custom objects that have instances, by name."""
    return await custom_objects.objects(db, workspace_id, after=after, limit=limit)


async def page(
    db: Session, workspace_id: UUID, custom_object: str, *, account_id: UUID | None, after: UUID | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Instances of an object in the order they were made; those of one account, where one is named."""
    return await custom_objects.page(db, workspace_id, custom_object, account_id=account_id, after=after, limit=limit)


async def show(db: Session, workspace_id: UUID, custom_object: str, ref: str) -> Mapping[str, Any]:
    """One instance, by `ins_…` or by its sender's id. Raises `UnknownInstance`."""
    found = await custom_objects.profile(db, workspace_id, custom_object, by_id=ids.read("ins", ref), external_id=ref)
    if found is None:
        raise UnknownInstance("No instance of this object has this id or external id.")
    return found
