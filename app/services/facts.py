"""Listing what can be asked about accounts: the catalogue, and the traits a workspace has sent."""

from dataclasses import dataclass
from uuid import UUID

from app.db import facts
from app.db.base import Session
from app.domain.fields import CATALOGUES, LONGEST_TRAIT_KEY, Fact, Subject, trait


@dataclass(frozen=True, slots=True)
class Known:
    """A fact, and for a trait the kinds of values seen."""

    fact: Fact
    observed: tuple[str, ...] = ()


async def known(db: Session, workspace_id: UUID) -> list[Known]:
    """The catalogue, then the traits of the workspace's latest accounts, the most common first."""
    seen = await facts.observed_traits(db, workspace_id)
    traits = [Known(trait(row["key"]), tuple(row["kinds"])) for row in seen if 0 < len(row["key"]) <= LONGEST_TRAIT_KEY]
    return [Known(fact) for fact in CATALOGUES[Subject.ACCOUNTS].values()] + traits
