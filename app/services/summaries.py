"""Summing up a report: groups with their numbers, the others together, and the totals."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import captions, facts, summaries, then
from app.db.base import Session
from app.db.summaries import Line
from app.domain import ids
from app.domain.fields import Type
from app.domain.reports import Report
from app.domain.summaries import Gathering, Grouping, exact, keys_of


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
    names = await _names(db, workspace_id, gathering, shown)
    return {
        "group_by": [one.fact.path for one in gathering.groupings],
        "aggregates": [one.name for one in gathering.aggregates],
        "groups": [_group(line, gathering, people | names) for line in _ordered(shown, gathering)],
        "other": _other(parts, gathering, len(shown)),
        "totals": _numbers(total, gathering),
        "overlapping": gathering.overlapping,
    }


def _ordered(shown: Sequence[Line], gathering: Gathering) -> Sequence[Line]:
    """Instants and numbers in their own order, missing ones last; everything else by the first aggregate."""
    if len(gathering.groupings) != 1 or not gathering.groupings[0].runs:
        return summaries.order_of(shown)
    return sorted(shown, key=lambda line: [(key is None, key or 0) for key in keys_of(line.key)])


def _group(line: Line, gathering: Gathering, known: Mapping[UUID, Any]) -> Mapping[str, Any]:
    keys = zip(gathering.groupings, keys_of(line.key), strict=True)
    return {
        "keys": [_key(one, one.bucket(key), known) for one, key in keys],
        "values": _numbers(line, gathering),
    }


def _key(one: Grouping, key: Any, known: Mapping[UUID, Any]) -> Any:
    """A key as JSON; ids with what they are called, as far as that is known."""
    if one.reading in {Type.PERSON, Type.MULTI} and key is not None:
        return {"id": ids.show(one.fact.prefix, UUID(key)), **known.get(UUID(key), {})}
    if isinstance(key, dict):
        return {end: exact(edge) for end, edge in key.items()}
    return exact(key)


def _other(parts: Sequence[Line], gathering: Gathering, shown: int) -> Mapping[str, Any] | None:
    rest = next((line for line in parts if line.key is None), None)
    return None if rest is None else {"groups": rest.groups - shown, "values": _numbers(rest, gathering)}


def _numbers(line: Line, gathering: Gathering) -> dict[str, Any]:
    return {one.name: exact(value) for one, value in zip(gathering.aggregates, line.values, strict=True)}


async def _people(
    db: Session, workspace_id: UUID, gathering: Gathering, shown: Sequence[Line]
) -> dict[UUID, Mapping[str, Any]]:
    found = await facts.members(db, workspace_id, _ids(gathering, shown, Type.PERSON))
    return {id_: {"name": person.name, "email": person.email} for id_, person in found.items()}


async def _names(
    db: Session, workspace_id: UUID, gathering: Gathering, shown: Sequence[Line]
) -> dict[UUID, Mapping[str, Any]]:
    prefix = next((one.fact.prefix for one in gathering.groupings if one.reading is Type.MULTI), "")
    found = await captions.names(db, workspace_id, prefix, _ids(gathering, shown, Type.MULTI))
    return {id_: {"name": name} for id_, name in found.items()}


def _ids(gathering: Gathering, shown: Sequence[Line], reading: Type) -> set[UUID]:
    places = [ix for ix, one in enumerate(gathering.groupings) if one.reading is reading]
    named = {keys_of(line.key)[ix] for line in shown for ix in places} if places else set()
    return {UUID(key) for key in named if key is not None}
