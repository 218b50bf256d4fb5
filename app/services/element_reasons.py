"""Why an account or organization has as many of an element as it has."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from app.db import element_counts, element_instances, elements
from app.db.base import Session
from app.db.element_instances import Asked
from app.domain import ids
from app.domain.elements import Definition
from app.domain.fields import Fact, Subject, subject_of
from app.domain.matching import digest
from app.domain.why import Why

SHOWN: Final = 20
BY_INSTANCE: Final = (
    "Instances that were created, and not disabled at that instant or later, are there. An update moves the last date "
    "only."
)
BY_TOTALS: Final = "There are as many as creations exceed disablings. An update moves the last date only."
OF_ACCOUNTS: Final = "What an organization's accounts have is added to its own."


async def element(db: Session, workspace_id: UUID, record_id: UUID, fact: Fact, now: datetime) -> Why:
    """The events that were counted; or the instances that are there, the first few of them."""
    del now
    row = await elements.one(db, workspace_id, by_id=None, slug=fact.slot or "")
    if row is None:
        return Why(None, "There is no such element.")
    definition, subject = Definition.stored(row["definition"]), subject_of(fact)
    above = subject is Subject.ORGANIZATIONS
    if definition.instance is None:
        inputs = list(await _totals(db, workspace_id, record_id, definition))
        if above:
            found = await element_counts.below(db, workspace_id, record_id, row["slug"], limit=SHOWN)
            inputs += [_account(one) for one in found]
        return Why(None, f"{BY_TOTALS} {OF_ACCOUNTS}" if above else BY_TOTALS, inputs, source="events")
    asked = Asked(subject, record_id, row["counted_as"], enabled=True)
    found = await element_instances.page(db, workspace_id, asked, after=None, limit=SHOWN)
    rule = f"{BY_INSTANCE} {OF_ACCOUNTS}" if above else BY_INSTANCE
    return Why(
        None, f"{rule} The first {SHOWN} are shown.", [_instance(one, above=above) for one in found], source="events"
    )


async def used(db: Session, workspace_id: UUID, record_id: UUID, fact: Fact, now: datetime) -> Why:
    """The elements that are in use."""
    del now
    found = await elements.of_record(db, workspace_id, subject_of(fact), record_id)
    inputs = [{"element": row["slug"], "count": row["count"]} for row in found]
    return Why(None, "How many elements there is at least one of.", inputs, source="events")


async def _totals(
    db: Session, workspace_id: UUID, record_id: UUID, definition: Definition
) -> Sequence[Mapping[str, Any]]:
    wanted = {role: digest(step.event, step.where) for role, step in definition.steps.items()}
    known = await element_counts.measures(db, workspace_id, set(wanted.values()))
    found = await element_counts.totals(db, workspace_id, record_id, list(known.values()))
    nothing = {"count": 0, "first_at": None, "last_at": None}
    totals = {role: found.get(known.get(one, -1), nothing) for role, one in wanted.items()}
    return [
        {
            "role": role.value,
            "event": step.event,
            "where": step.where,
            "count": totals[role]["count"],
            "firstAt": totals[role]["first_at"],
            "lastAt": totals[role]["last_at"],
        }
        for role, step in definition.steps.items()
    ]


def _instance(row: Mapping[str, Any], *, above: bool) -> dict[str, Any]:
    """Of an organization also whose it is: an account's, or (None) its own."""
    account = row["account"]
    whose = {"account": account and ids.show("acc", account)} if above else {}
    return {
        "instance": row["instance"],
        **whose,
        "enabledAt": row["enabled_at"],
        "disabledAt": row["disabled_at"],
        "lastAt": row["last_at"],
    }


def _account(row: Mapping[str, Any]) -> dict[str, Any]:
    """What an account has, as it was evaluated last."""
    return {
        "account": ids.show("acc", row["account_id"]),
        "count": row["count"],
        "firstAt": row["first_at"],
        "lastAt": row["last_at"],
    }
