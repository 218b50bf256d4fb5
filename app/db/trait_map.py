"""The traits map as rows, together with the two workspace settings the owner rule reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert

from app.db.base import Session
from app.domain.models import TraitMapping, Workspace
from app.domain.owners import Policy
from app.domain.traits import TraitMap


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


async def read(db: Session, workspace_id: UUID) -> tuple[TraitMap, datetime | None]:
    """The traits map, and when it was last written."""
    query = select(TraitMapping.field, TraitMapping.trait_keys, TraitMapping.updated_at).where(
        TraitMapping.workspace_id == workspace_id
    )
    found = (await db.execute(query)).all()
    stored: Mapping[str, list[str]] = {row.field: row.trait_keys for row in found}
    return TraitMap.of(stored), max((row.updated_at for row in found), default=None)


async def lock(db: Session, workspace_id: UUID) -> None:
    """Let one change of definitions at a time through, until this transaction ends."""
    await db.execute(
        text("select pg_advisory_xact_lock(hashtext('steward.definitions'), hashtext(:workspace))"),
        {"workspace": str(workspace_id)},
    )


async def write(db: Session, workspace_id: UUID, trait_map: TraitMap, *, now: datetime) -> None:
    """Replace the traits map."""
    lines = [
        {"workspace_id": workspace_id, "field": field, "trait_keys": keys, "updated_at": now}
        for field, keys in sorted(trait_map.rows().items())
    ]
    statement = insert(TraitMapping).values(lines)
    new = statement.excluded
    await db.execute(
        statement.on_conflict_do_update(
            index_elements=["workspace_id", "field"],
            set_={"trait_keys": new.trait_keys, "updated_at": func.greatest(TraitMapping.updated_at, new.updated_at)},
        )
    )
