"""Summing up a report: groups with their numbers, the others together, and the totals."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import facts, summaries, then
from app.db.base import Session
from app.db.summaries import Line
from app.domain import ids
from app.domain.fields import Type
from app.domain.reports import Report
from app.domain.summaries import Gathering, exact, keys_of


async def summarise(
    db: Session, workspace_id: UUID, report: Report, gathering: Gathering, *, now: datetime, limit: int
) -> Mapping[str, Any]:
    """The `limit` greatest groups, what the others come to, and the totals, as JSON."""
    then.refuse(gathering.facts, report)
    lines = await summaries.summarise(db, workspace_id, report, gathering, now=now, limit=limit)
    total = next(line for line in lines if line.everything)
    parts = [line for line in lines if not line.everything]
    shown = [line for line in parts if line.key is not None] if gathering.groupings else []
    people = await _people(db, workspace_id, gathering, shown)
    return {
        "group_by": [one.fact.path for one in gathering.groupings],
        "aggregates": [one.name for one in gathering.aggregates],
        "groups": [_group(line, gathering, people) for line in _ordered(shown, gathering)],
        "other": _other(parts, gathering, len(shown)),
        "totals": _numbers(total, gathering),
    }


def _ordered(shown: Sequence[Line], gathering: Gathering) -> Sequence[Line]:
    """Instants and numbers in their own order, missing ones last; everything else by the first aggregate."""
    if len(gathering.groupings) != 1 or not gathering.groupings[0].runs:
        return summaries.order_of(shown)
    return sorted(shown, key=lambda line: [(key is None, key or 0) for key in keys_of(line.key)])


def _group(line: Line, gathering: Gathering, people: Mapping[UUID, Any]) -> Mapping[str, Any]:
    keys = zip(gathering.groupings, keys_of(line.key), strict=True)
    return {
        "keys": [_key(one.reading, one.bucket(key), people) for one, key in keys],
        "values": _numbers(line, gathering),
    }


def _key(reading: Type, key: Any, people: Mapping[UUID, Any]) -> Any:
    if reading is Type.PERSON and key is not None:
        member_id = UUID(key)
        person = people.get(member_id)
        known = {} if person is None else {"name": person.name, "email": person.email}
        return {"id": ids.show("mem", member_id), **known}
    if isinstance(key, dict):
        return {end: exact(edge) for end, edge in key.items()}
    return exact(key)


def _other(parts: Sequence[Line], gathering: Gathering, shown: int) -> Mapping[str, Any] | None:
    rest = next((line for line in parts if line.key is None), None)
    return None if rest is None else {"groups": rest.groups - shown, "values": _numbers(rest, gathering)}


def _numbers(line: Line, gathering: Gathering) -> dict[str, Any]:
    return {one.name: exact(value) for one, value in zip(gathering.aggregates, line.values, strict=True)}


async def _people(db: Session, workspace_id: UUID, gathering: Gathering, shown: Sequence[Line]) -> Mapping[UUID, Any]:
    places = [ix for ix, one in enumerate(gathering.groupings) if one.reading is Type.PERSON]
    named = {keys_of(line.key)[ix] for line in shown for ix in places} if places else set()
    return await facts.members(db, workspace_id, {UUID(key) for key in named if key is not None})
