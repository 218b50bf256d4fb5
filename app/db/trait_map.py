"""The traits maps as rows, together with the two workspace settings the owner rule reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert

from app.db.base import Session
from app.domain.fields import Subject
from app.domain.models import TraitMapping, Workspace
from app.domain.owners import Policy
from app.domain.traits import ORGANIZATION, ROLE, TraitMap

_BEGIN: Final[Mapping[Subject, str]] = {Subject.ORGANIZATIONS: ORGANIZATION}


@dataclass(frozen=True, slots=True)
class Rules:
    """What a workspace's evaluation follows."""

    trait_map: TraitMap
    policy: Policy


async def rules(db: Session, workspace_id: UUID) -> Rules:
    """The traits map and the owner policy, read together."""
    policy = await db.scalar(select(Workspace.owner_default_policy).where(Workspace.id == workspace_id))
    trait_map, _ = await read(db, workspace_id)
    return Rules(trait_map, policy or "none")


async def read(
    db: Session, workspace_id: UUID, subject: Subject = Subject.ACCOUNTS
) -> tuple[TraitMap, datetime | None]:
    """The traits map of accounts or of organizations, and when it was last written."""
    query = select(TraitMapping.field, TraitMapping.trait_keys, TraitMapping.updated_at).where(
        TraitMapping.workspace_id == workspace_id
    )
    begin = _BEGIN.get(subject, "")
    found = [row for row in await db.execute(query) if row.field.startswith(ORGANIZATION) is bool(begin)]
    stored: Mapping[str, list[str]] = {row.field.removeprefix(begin): row.trait_keys for row in found}
    return TraitMap.of(stored), max((row.updated_at for row in found), default=None)


_CARRYING = text(
    """
select k.n, count(*) as accounts
from (select traits from accounts where workspace_id = :workspace order by id limit :most) a
cross join unnest(cast(:keys as text[])) with ordinality as k (key, n)
where nullif(a.traits -> k.key, 'null') is not null
group by k.n
"""
)


async def carrying(db: Session, workspace_id: UUID, keys: Sequence[str], *, most: int) -> list[int]:
    """How many accounts have a value under each of these traits, of those known longest."""
    found = await db.execute(_CARRYING, {"workspace": workspace_id, "keys": list(keys), "most": most})
    counts = {row.n: row.accounts for row in found}
    return [counts.get(n, 0) for n in range(1, len(keys) + 1)]


async def lock(db: Session, workspace_id: UUID) -> None:
    """Let one change of definitions at a time through, until this transaction ends."""
    await db.execute(
        text("select pg_advisory_xact_lock(hashtext('steward.definitions'), hashtext(:workspace))"),
        {"workspace": str(workspace_id)},
    )


async def write(
    db: Session, workspace_id: UUID, trait_map: TraitMap, *, now: datetime, subject: Subject = Subject.ACCOUNTS
) -> None:
    """Replace the traits map of accounts or of organizations."""
    begin = _BEGIN.get(subject, "")
    fields = {begin + field: keys for field, keys in trait_map.rows().items()}
    await db.execute(
        delete(TraitMapping).where(
            TraitMapping.workspace_id == workspace_id,
            TraitMapping.field.startswith(begin + ROLE, autoescape=True),
            TraitMapping.field.not_in(fields),
        )
    )
    lines = [
        {"workspace_id": workspace_id, "field": field, "trait_keys": keys, "updated_at": now}
        for field, keys in sorted(fields.items())
    ]
    statement = insert(TraitMapping).values(lines)
    new = statement.excluded
    await db.execute(
        statement.on_conflict_do_update(
            index_elements=["workspace_id", "field"],
            set_={"trait_keys": new.trait_keys, "updated_at": func.greatest(TraitMapping.updated_at, new.updated_at)},
        )
    )
