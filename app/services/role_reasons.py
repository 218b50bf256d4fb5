"""Why somebody holds a key role, or nobody does: what gave it, and what a mapped trait says of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from app.db import key_roles, role_traits
from app.db.base import Session
from app.domain import ids
from app.domain.fields import Fact, subject_of
from app.domain.roles import Decision, Source, Standing, decide, name_of
from app.domain.why import Why
from app.services import staffing

PATHS: Final = {"csm": "csm", "accountExecutive": "account_executive"}
RULES: Final[Mapping[str, str]] = {
    Source.MANUAL: "A member gave the role by hand.",
    Source.API: "The role was given through the API.",
    Source.BULK: "A bulk edit gave the role.",
    Source.PLAYBOOK: "An automation gave the role.",
    Source.TRAIT: "The trait mapped to the role names this member.",
}
NOBODY: Final = "Nobody holds the role: nobody was given it, or it was taken back, or its holder left."
PENDING: Final = " What the trait says now names nobody who could hold it, so that it changes nothing."
CHOSEN: Final = " That stands until the trait says something else than it did then."


async def role(db: Session, workspace_id: UUID, record_id: UUID, fact: Fact, now: datetime) -> Why:
    """Who holds one role, since when, and what decided; with what the mapped trait says, if one is mapped."""
    del now
    slug, subject = fact.slot or PATHS[fact.path], subject_of(fact)
    held = await key_roles.held_at(db, workspace_id, record_id, subject=subject)
    holder = next((row for row in held if row["role"] == slug), None)
    mapped = {name: key for name, key in (await staffing.mapped(db, workspace_id, subject)).items() if name == slug}
    said = await role_traits.standings(db, workspace_id, [record_id], mapped, subject=subject) if mapped else []
    decided = decide(said[0]) if said else None
    last = await key_roles.history(db, workspace_id, record_id, before=None, limit=1, role=slug, subject=subject)
    return Why(
        value=None,
        rule=_rule(holder, decided),
        inputs=[*_trait(mapped.get(slug), said, decided), *_given(holder, last)],
        since=holder["assigned_at"] if holder else last[0]["changed_at"] if last else None,
        source=holder["source"] if holder else last[0]["source"] if last else None,
    )


async def holders(db: Session, workspace_id: UUID, record_id: UUID, fact: Fact, now: datetime) -> Why:
    """Everybody who holds any role."""
    del now
    subject = subject_of(fact)
    held = await key_roles.held_at(db, workspace_id, record_id, subject=subject)
    since = max((row["assigned_at"] for row in held), default=None)
    inputs = [{"role": name_of(row["role"]), **_person(row), "source": row["source"]} for row in held]
    return Why(None, f"Everybody who holds a key role at the {subject.value.removesuffix('s')}.", inputs, since)


def _rule(holder: Mapping[str, Any] | None, decided: Decision | None) -> str:
    told = NOBODY if holder is None else RULES.get(holder["source"], "The role was given.")
    if decided is not None and decided.problem is not None:
        return told + PENDING
    return told + CHOSEN if decided is not None and decided.chosen else told


def _trait(key: str | None, said: Sequence[Standing], decided: Decision | None) -> Sequence[Mapping[str, Any]]:
    if key is None:
        return ()
    value = said[0].value if said else None
    problem = decided.problem if decided else None
    return [{"kind": "trait", "key": key, "value": value, "problem": problem}]


def _given(holder: Mapping[str, Any] | None, last: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    if holder is not None:
        return [{"kind": "assignment", **_person(holder), "at": holder["assigned_at"], "by": holder["assigned_by"]}]
    return [{"kind": "release", "at": one["changed_at"], "by": one["changed_by"]} for one in last]


def _person(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"member": ids.show("mem", row["id"]), "name": row["name"]}
