"""Counts the elements of the records being evaluated, each as its definition says."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from app.db import element_counts, elements
from app.db.base import Session
from app.db.element_counts import Counted
from app.domain.elements import Definition
from app.domain.fields import Subject
from app.domain.matching import digest


async def refresh(db: Session, workspace_id: UUID, subject: Subject, records: Sequence[UUID]) -> None:
    """Bring what these records have of each element up to date. The caller holds their facts locked.

    Only events and definitions change it, never the clock.
    """
    await element_counts.refresh(db, workspace_id, subject, records, await counted(db, workspace_id))


async def counted(db: Session, workspace_id: UUID) -> list[Counted]:
    """The live elements, with the measures that say how many there are."""
    live = [(row, Definition.stored(row["definition"])) for row in await elements.live(db, workspace_id)]
    wanted = {digest(*measured) for _, definition in live for measured in definition.measured}
    known = await element_counts.measures(db, workspace_id, wanted) if wanted else {}
    return [_counted(row, definition, known) for row, definition in live]


def _counted(row: Mapping[str, Any], definition: Definition, known: Mapping[UUID, int]) -> Counted:
    if definition.instance is not None:
        return Counted(row["counted_as"], row["slug"], by_instance=True)
    asked = {role: known.get(digest(step.event, step.where)) for role, step in definition.steps.items()}
    measures = [(role, measure) for role, measure in asked.items() if measure is not None]
    return Counted(row["counted_as"], row["slug"], by_instance=False, measures=measures)
