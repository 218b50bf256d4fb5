"""Applies the lifecycle rule to records whose facts are locked, and writes what became of their statuses."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Final
from uuid import UUID

from app.db import lifecycle, verdicts
from app.db.base import Session
from app.db.lifecycle import Change, Settled, Standing
from app.db.verdicts import Verdict
from app.domain.errors import Rejected
from app.domain.fields import Subject
from app.domain.lifecycle import HANDED_DOWN, STATUSES, Circumstances, Decision, Source, Status, decide
from app.domain.lifecycle_rules import Name, Rules, read
from app.domain.traits import TraitMap

ENDED: Final = (Status.CHURNED, Status.DEACTIVATED)


@dataclass(frozen=True, slots=True)
class Weighed:
    """A record, what the rule makes of it, and when the clock alone may change that."""

    standing: Standing
    decision: Decision
    next_change: datetime | None


@dataclass(frozen=True, slots=True)
class Applied:
    """What was written: which records moved, and when the clock alone may change the answer about each."""

    moved: frozenset[UUID] = frozenset()
    next_check_at: Mapping[UUID, datetime] = field(default_factory=dict)


async def apply(
    db: Session, workspace_id: UUID, account_ids: Sequence[UUID], trait_map: TraitMap, *, now: datetime
) -> Mapping[UUID, datetime]:
    """Bring the statuses of these accounts up to date; when the clock may change each. The caller holds their facts.

    Status follows from facts, choice and clock alone, so that neither order nor repetition of evaluations matters.
    """
    return (await settle(db, workspace_id, Subject.ACCOUNTS, account_ids, trait_map, now=now)).next_check_at


async def settle(
    db: Session,
    workspace_id: UUID,
    subject: Subject,
    record_ids: Sequence[UUID],
    trait_map: TraitMap,
    *,
    now: datetime,
) -> Applied:
    """Decide and store the status of these records, with a line of history where it moved. Safe to repeat."""
    rules = await in_force(db, workspace_id, subject)
    if rules is None:
        if subject is Subject.ACCOUNTS:
            await lifecycle.take_over(db, workspace_id, record_ids)
        return Applied()
    # Without conditions most records are as they would be by default, and nothing about those has to be decided.
    but_plain = not rules.trees
    standings = await lifecycle.standings(db, workspace_id, subject, record_ids, trait_map, but_plain=but_plain)
    found = await _weigh(db, workspace_id, subject, standings, rules, now)
    outcomes = {one.standing.id: _settled(subject, one, rules, now) for one in found}
    differing = {
        one.standing.id: outcomes[one.standing.id]
        for one in found
        if _stored(one.standing) != outcomes[one.standing.id]
    }
    await lifecycle.settle(db, workspace_id, subject, differing)
    changes = [change for one in found if (change := _change(one)) is not None]
    await lifecycle.record(db, workspace_id, subject, changes, now=now)
    await lifecycle.drop_choices(db, workspace_id, [one.standing.id for one in found if one.decision.over])
    soon = {one.standing.id: one.next_change for one in found if one.next_change is not None}
    return Applied(frozenset(change.record_id for change in changes), soon)


async def in_force(db: Session, workspace_id: UUID, subject: Subject) -> Rules | None:
    """The rules of a subject; None when they use words this release does not know: statuses are left alone then."""
    found = await lifecycle.rules(db, workspace_id, subject)
    return _read(json.dumps(found["rules"]), subject) if found else Rules()


@lru_cache(maxsize=256)
def _read(source: str, subject: Subject) -> Rules | None:
    """Read once: the same rules are applied to every slice."""
    try:
        return read(json.loads(source), subject)
    except Rejected:
        return None


async def weigh(
    db: Session,
    workspace_id: UUID,
    subject: Subject,
    record_ids: Sequence[UUID],
    rules: Rules,
    trait_map: TraitMap,
    *,
    now: datetime,
) -> list[Weighed]:
    """What the rule makes of each record under these rules, in two statements for all of them; stores nothing."""
    standings = await lifecycle.standings(db, workspace_id, subject, record_ids, trait_map)
    return await _weigh(db, workspace_id, subject, standings, rules, now)


async def _weigh(
    db: Session, workspace_id: UUID, subject: Subject, standings: Sequence[Standing], rules: Rules, now: datetime
) -> list[Weighed]:
    trees, ids = list(rules.trees.values()), [standing.id for standing in standings]
    asked = await verdicts.ask(db, workspace_id, subject, ids, trees, now) if trees else []
    answers = {one.record_id: one for one in asked}
    return [weigh_one(subject, standing, rules, answers.get(standing.id), now) for standing in standings]


def weigh_one(subject: Subject, standing: Standing, rules: Rules, answer: Verdict | None, now: datetime) -> Weighed:
    """What the rule makes of a record for which these of the rules' conditions hold (by position)."""
    named = list(rules.trees)
    holding = frozenset(named[ix] for ix in answer.holding if ix < len(named)) if answer else frozenset()
    decision = decide(subject, _circumstances(standing, rules, holding), now)
    later = answer.next_change if answer else None
    instants = [at for at in (decision.changes_at, later) if at is not None]
    return Weighed(standing, decision, min(instants, default=None))


def _circumstances(standing: Standing, rules: Rules, holding: frozenset[Name]) -> Circumstances:
    return Circumstances(
        **rules.answers(holding),
        said=standing.said,
        revenue=standing.revenue,
        organization=standing.organization,
        trial_ends_at=standing.trial_ends_at,
        choice=standing.choice,
    )


def has_moved(one: Weighed) -> bool:
    """Whether the rule says another status than the one that is stored, or finds a trial's end passed (or moved on)."""
    standing, decision = one.standing, one.decision
    return (standing.status, standing.unconverted) != (decision.status, decision.unconverted)


def _stored(standing: Standing) -> Settled:
    return Settled(
        status=standing.status,
        source=standing.source,
        since=standing.since,
        unconverted=standing.unconverted,
        ended_at=standing.ended_at,
        mrr=standing.mrr,
        handed_down=standing.handed_down,
    )


def _settled(subject: Subject, one: Weighed, rules: Rules, now: datetime) -> Settled:
    standing, decision = one.standing, one.decision
    since = standing.since if decision.status is standing.status else now
    if since is None:
        since = standing.created_at if decision.status is STATUSES[subject][0] else now
    ended_at = (standing.end_said or since) if decision.status in ENDED else None
    keeps = rules.keep_mrr and decision.status is Status.CHURNED and standing.revenue is None
    accounts = subject is Subject.ACCOUNTS
    return Settled(
        status=decision.status,
        source=decision.source.value,
        since=since,
        unconverted=decision.unconverted,
        ended_at=ended_at,
        mrr=(standing.last_mrr if keeps else standing.revenue) if accounts else standing.mrr,
        handed_down=standing.organization if standing.organization in HANDED_DOWN else None,
    )


def _change(one: Weighed) -> Change | None:
    """The line of history, if one is due. A record that has its first status still has none."""
    standing, decision = one.standing, one.decision
    if not has_moved(one):
        return None
    return Change(
        record_id=standing.id,
        before=standing.status if standing.evaluated else None,
        after=decision.status,
        unconverted=decision.unconverted,
        source=decision.source.value,
        reason=decision.reason,
        by=standing.choice.by if standing.choice and decision.source is Source.MANUAL else None,
    )
