"""Why traits, and facts that the traits maps feed, are what they are."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from app.db import trait_history, trait_map
from app.db.base import Session
from app.domain.fields import Fact, subject_of
from app.domain.why import Why
from app.services.trait_records import instant

FIELDS: Final[Mapping[str, tuple[str, str]]] = {
    "mrr": ("mrr", "number"),
    "renewsAt": ("renewal", "date"),
    "trialEndsAt": ("trial_end", "date"),
    "joinedAt": ("joined", "date"),
}
"""Which field of the traits map feeds a fact, and what its traits are read as."""

EMPTY, WINS, PASSED, UNUSABLE = "empty", "decides", "not looked at", "unusable"


async def trait(db: Session, workspace_id: UUID, record_id: UUID, fact: Fact, now: datetime) -> Why:
    """When it was said, and by whom."""
    del now
    key = fact.key or ""
    row = await trait_history.record(db, workspace_id, subject_of(fact), record_id) or {}
    stamp = row.get("trait_stamps", {}).get(key)
    if stamp is None:
        return Why(None, f"Nothing was ever said of the trait {key!r}.")
    value, said_at = row["traits"].get(key), instant(Decimal(stamp))
    rule = "Of everything said of a trait, the latest counts."
    if value is None:
        rule = f"The trait {key!r} was cleared. {rule}"
    return Why(
        value=value,
        rule=rule,
        inputs=[{"key": key, "value": value, "saidAt": said_at}],
        since=await _since(db, workspace_id, record_id, key, value, said_at),
        source=await trait_history.source(db, workspace_id, record_id, key),
    )


async def _since(db: Session, workspace_id: UUID, record_id: UUID, key: str, value: Any, said_at: datetime) -> datetime:
    """From when on it was said without a break, as far as history goes back."""
    found = await trait_history.since(db, workspace_id, record_id, key, json.dumps(value))
    return said_at if found is None else min(said_at, instant(found))


async def mapped(db: Session, workspace_id: UUID, record_id: UUID, fact: Fact, now: datetime) -> Why:
    """Which mapped trait decides, and what became of the others."""
    del now
    field, kind = FIELDS[fact.path]
    subject = subject_of(fact)
    found, _ = await trait_map.read(db, workspace_id, subject)
    keys: Sequence[str] = getattr(found, field)
    rule = f"Of the mapped traits, the first that is a {kind} decides."
    if field == "joined":
        rule += " Without one, it is the first activity."
    if not keys:
        return Why(None, f"No trait is mapped. {rule}")
    reads = await trait_history.readings(db, workspace_id, record_id, keys, kind, subject=subject)
    return await _first(db, workspace_id, record_id, rule, reads)


async def mrr_of_organization(db: Session, workspace_id: UUID, record_id: UUID, fact: Fact, now: datetime) -> Why:
    """The mapped trait of its own that says it; or that it is the sum over its accounts."""
    found = await mapped(db, workspace_id, record_id, fact, now)
    if found.source is not None:
        return found
    return replace(found, rule=f"{found.rule} None does, so it is the sum over its accounts.", source="accounts")


async def name(db: Session, workspace_id: UUID, record_id: UUID, fact: Fact, now: datetime) -> Why:
    """Which mapped trait is the name."""
    del now
    subject = subject_of(fact)
    found, _ = await trait_map.read(db, workspace_id, subject)
    rule = "Of the mapped traits, the first that is text or a number, and not blank, is the name."
    reads = await trait_history.readings(db, workspace_id, record_id, found.name, "name", subject=subject)
    return await _first(db, workspace_id, record_id, rule, reads)


async def _first(
    db: Session,
    workspace_id: UUID,
    record_id: UUID,
    rule: str,
    reads: Sequence[Mapping[str, Any]],
) -> Why:
    inputs, winner = [], None
    for row in reads:
        verdict = EMPTY if row["value"] is None else UNUSABLE
        if winner is not None:
            verdict = PASSED
        elif row["usable"]:
            verdict, winner = WINS, row
        said_at = instant(Decimal(row["stamp"])) if row["stamp"] is not None else None
        inputs.append({"key": row["key"], "value": row["value"], "saidAt": said_at, "verdict": verdict})
    if winner is None:
        return Why(None, rule, inputs)
    said_at = instant(Decimal(winner["stamp"]))
    since = await _since(db, workspace_id, record_id, winner["key"], winner["value"], said_at)
    return Why(None, rule, inputs, since, source=f"traits.{winner['key']}")
