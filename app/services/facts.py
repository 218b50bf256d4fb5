"""Listing what can be asked about a subject: the catalogue, a workspace's key roles, and the traits it has sent."""

from dataclasses import dataclass, replace
from uuid import UUID

from app.db import facts
from app.db.base import Session
from app.domain.fields import CATALOGUES, LONGEST_TRAIT_KEY, Fact, Subject, find, trait
from app.services import roles


@dataclass(frozen=True, slots=True)
class Known:
    """A fact, and for a trait the kinds of values seen."""

    fact: Fact
    observed: tuple[str, ...] = ()


async def known(db: Session, workspace_id: UUID, subject: Subject = Subject.ACCOUNTS) -> list[Known]:
    """The catalogue, for accounts the key roles, then the traits of the latest records, the most common first."""
    seen = await facts.observed_traits(db, workspace_id, subject)
    traits = [
        Known(trait(row["key"], subject), tuple(row["kinds"]))
        for row in seen
        if 0 < len(row["key"]) <= LONGEST_TRAIT_KEY
    ]
    held = await _key_roles(db, workspace_id) if subject is Subject.ACCOUNTS else []
    return [*(Known(fact) for fact in CATALOGUES[subject].values()), *held, *traits]


async def _key_roles(db: Session, workspace_id: UUID) -> list[Known]:
    labels = await roles.labels(db, workspace_id)
    return [Known(replace(find(f"keyRoles.{slug}"), label=f"Key role: {label}")) for slug, label in labels.items()]
