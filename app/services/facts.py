"""Listing what can be asked about a subject: the catalogue, a workspace's key roles, and the traits it has sent."""

from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from app.db import facts, measures
from app.db.base import Session
from app.domain.fields import CATALOGUES, EVENTS, LONGEST_TRAIT_KEY, Fact, Subject, event, find, trait
from app.services import elements, health_scores, metrics, roles

MOST_EVENTS: Final = 200
"""Event names that are listed; others can be asked about all the same."""


@dataclass(frozen=True, slots=True)
class Known:
    """A fact, and for a trait the kinds of values seen."""

    fact: Fact
    observed: tuple[str, ...] = ()


async def known(db: Session, workspace_id: UUID, subject: Subject = Subject.ACCOUNTS) -> list[Known]:
    """The catalogue, but for users the key roles, then the traits of the latest records, the most common first."""
    seen = await facts.observed_traits(db, workspace_id, subject)
    traits = [
        Known(trait(row["key"], subject), tuple(row["kinds"]))
        for row in seen
        if 0 < len(row["key"]) <= LONGEST_TRAIT_KEY
    ]
    held = await _key_roles(db, workspace_id, subject) if subject is not Subject.USERS else []
    things = await _elements(db, workspace_id, subject) if subject is not Subject.USERS else []
    things += await _health(db, workspace_id, subject) if subject is not Subject.USERS else []
    measured = await _metrics(db, workspace_id, subject) if subject is not Subject.USERS else []
    counted = await _events(db, workspace_id, subject) if subject is not Subject.USERS else []
    return [*(Known(fact) for fact in CATALOGUES[subject].values()), *held, *things, *measured, *counted, *traits]


async def _key_roles(db: Session, workspace_id: UUID, subject: Subject) -> list[Known]:
    named = (await roles.labels(db, workspace_id)).items()
    return [Known(replace(find(f"keyRoles.{slug}", subject), label=f"Key role: {label}")) for slug, label in named]


async def _elements(db: Session, workspace_id: UUID, subject: Subject) -> list[Known]:
    labels = await elements.labels(db, workspace_id)
    return [_labelled(prefix + slug, name, subject) for slug, name in labels.items() for prefix in elements.PATHS]


async def _metrics(db: Session, workspace_id: UUID, subject: Subject) -> list[Known]:
    named = (await metrics.labels(db, workspace_id, subject)).items()
    return [_labelled(prefix + slug, name, subject) for slug, name in named for prefix in metrics.PATHS]


async def _events(db: Session, workspace_id: UUID, subject: Subject) -> list[Known]:
    names = await measures.names(db, workspace_id, recent=facts.RECENT, limit=MOST_EVENTS)
    return [Known(event(prefix, name, subject)) for name in names for prefix in EVENTS]


async def _health(db: Session, workspace_id: UUID, subject: Subject) -> list[Known]:
    labels = await health_scores.labels(db, workspace_id, subject)
    return [_labelled(prefix + slug, name, subject) for slug, name in labels.items() for prefix in health_scores.PATHS]


def _labelled(path: str, name: str, subject: Subject) -> Known:
    """A fact of a family, with what the customer calls it in place of its slug."""
    fact = find(path, subject)
    return Known(replace(fact, label=f"{fact.label.removesuffix(fact.slot or '')}{name}"))
