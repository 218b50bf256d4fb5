"""Definitions of traits as rows, the traits records carry, and the values that are not what their trait is to be."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert

from app.db.base import Session, rows
from app.domain.fields import Subject
from app.domain.models import TraitDefinition
from app.domain.trait_types import Definition, EditableBy, Option, TraitType

RECENT: Final = 1_000
MOST_SEEN: Final = 500
MOST_LOOKED_AT: Final = 100_000
_TABLE: Final = TraitDefinition.__table__

# Whether a value (never null) can be read as a type: the one meaning, for data and for edits.
_READABLE: Final = """
case {type}
    when 'text' then jsonb_typeof({v}) in ('string', 'number', 'boolean')
    when 'longText' then jsonb_typeof({v}) in ('string', 'number', 'boolean')
    when 'number' then steward_number({v}) is not null
    when 'currency' then steward_number({v}) is not null
    when 'date' then steward_instant({v}) is not null
    when 'datetime' then steward_instant({v}) is not null
    when 'boolean' then jsonb_typeof({v}) in ('string', 'boolean') and lower({v} #>> '{{}}') in ('true', 'false')
    when 'email' then jsonb_typeof({v}) = 'string'
        and ({v} #>> '{{}}') ~ '^[^@[:space:]]+@[^@[:space:]]+[.][^@[:space:]]+$'
    when 'url' then jsonb_typeof({v}) = 'string' and ({v} #>> '{{}}') ~* '^https?[:]//[^/[:space:]]+[^[:space:]]*$'
    else not exists (
        select from jsonb_array_elements(
            case when jsonb_typeof({v}) = 'array' and {type} = 'multiSelect' then {v} else jsonb_build_array({v}) end
        ) as one (item)
        where jsonb_typeof(one.item) not in ('string', 'number', 'boolean') or not exists (
            select from jsonb_array_elements({options}) as o (option) where o.option ->> 'value' = one.item #>> '{{}}')
    )
end"""  # a colon before a letter would be a parameter

_KIND: Final = """
case jsonb_typeof(t.value)
    when 'string' then case
        when steward_instant(t.value) is not null then
            case when length(t.value #>> '{}') = 10 then 'date' else 'datetime' end
        when (t.value #>> '{}') ~ '^[^@[:space:]]+@[^@[:space:]]+[.][^@[:space:]]+$' then 'email'
        when (t.value #>> '{}') ~* '^https?[:]//[^/[:space:]]+[^[:space:]]*$' then 'url'
        when length(t.value #>> '{}') > 200 or strpos(t.value #>> '{}', E'\\n') > 0 then 'longText'
        else 'text' end
    when 'array' then 'multiSelect'
    else jsonb_typeof(t.value) end"""


def _observed(subject: Subject) -> Any:
    readable = _READABLE.format(type="d.type", options="d.options", v="s.value")
    return text(
        f"""
select key, jsonb_object_agg(kind, n) as kinds, sum(n)::int as records, sum(conflicts)::int as conflicts
from (
    select s.key, s.kind, count(*) as n, count(*) filter (where d.key is not null and not {readable}) as conflicts
    from (
        select t.key, t.value, {_KIND} as kind
        from (
            select traits from {subject.value} where workspace_id = :workspace order by id desc limit :recent
        ) as r, jsonb_each(r.traits) as t
        where jsonb_typeof(t.value) <> 'null'
    ) s
    left join trait_definitions d on d.workspace_id = :workspace and d.subject = '{subject.value}' and d.key = s.key
    group by s.key, s.kind
) seen
group by key order by records desc, key limit :most
"""  # noqa: S608 - put together from constants
    )


_OBSERVED: Final = {subject: _observed(subject) for subject in Subject}


def _looked(subject: Subject) -> str:
    return f"""
with looked as (
    select r.id, r.external_id, r.name, r.traits -> :key as value,
        r.trait_stamps ->> :key as stamp
    from {subject.value} r where r.workspace_id = :workspace order by r.id desc limit :most
),
valued as (select id, external_id, name, value, stamp from looked where jsonb_typeof(value) <> 'null'),
judged as (
    select id, external_id, name, value, stamp,
        {_READABLE.format(type="cast(:type as text)", options="cast(:options as jsonb)", v="value")} as readable
    from valued
)
"""  # noqa: S608 - put together from constants


_COUNTS: Final = {
    subject: text(
        _looked(subject)  # noqa: S608 - as above
        + "select (select count(*) from looked) as looked_at, (select count(*) from judged) as records, "
        "(select count(*) from judged where not readable) as conflicts"
    )
    for subject in Subject
}
_CONFLICTS: Final = {
    subject: text(
        _looked(subject)  # noqa: S608 - as above
        + "select id, external_id, name, value, stamp from judged where not readable "
        "and (cast(:after as uuid) is null or id < cast(:after as uuid)) order by id desc limit :limit"
    )
    for subject in Subject
}
_UNREADABLE: Final = text(
    f"""
select t.key
from json_to_recordset(cast(:edits as json)) as t (n int, key text, type text, options jsonb, value jsonb)
where not {_READABLE.format(type="t.type", options="t.options", v="t.value")}
order by t.n limit 1
"""  # noqa: S608 - put together from constants
)


def _definition(row: Mapping[str, Any]) -> Definition:
    return Definition(
        subject=Subject(row["subject"]),
        key=row["key"],
        label=row["label"],
        type=TraitType(row["type"]),
        options=tuple(Option(one["value"], one["label"]) for one in row["options"]),
        editable_by=EditableBy(row["editable_by"]),
        custom=row["custom"],
        description=row["description"],
    )


def _options(one: Definition) -> list[dict[str, str]]:
    return [asdict(option) for option in one.options]


async def declared(
    db: Session, workspace_id: UUID, subject: Subject, keys: Sequence[str] | None = None
) -> dict[str, Definition]:
    """The definitions of a subject by key; of these keys, or all."""
    query = select(*_TABLE.columns).where(_TABLE.c.workspace_id == workspace_id, _TABLE.c.subject == subject.value)
    if keys is not None:
        query = query.where(_TABLE.c.key.in_(keys))
    return {row["key"]: _definition(row) for row in rows(await db.execute(query))}


async def count(db: Session, workspace_id: UUID, subject: Subject) -> int:
    """How many traits of a subject are declared."""
    query = select(func.count()).where(_TABLE.c.workspace_id == workspace_id, _TABLE.c.subject == subject.value)
    return await db.scalar(query) or 0


async def put(db: Session, workspace_id: UUID, one: Definition, *, now: datetime) -> None:
    """Store a definition, in the place of the one before."""
    values = {
        "label": one.label,
        "type": one.type.value,
        "options": _options(one),
        "editable_by": one.editable_by.value,
        "custom": one.custom,
        "description": one.description,
        "updated_at": now,
    }
    statement = insert(TraitDefinition).values(
        workspace_id=workspace_id, subject=one.subject.value, key=one.key, created_at=now, **values
    )
    await db.execute(statement.on_conflict_do_update(index_elements=["workspace_id", "subject", "key"], set_=values))


async def remove(db: Session, workspace_id: UUID, subject: Subject, key: str) -> bool:
    """Delete a definition; whether there was one."""
    query = delete(TraitDefinition).where(
        _TABLE.c.workspace_id == workspace_id, _TABLE.c.subject == subject.value, _TABLE.c.key == key
    )
    return bool((await db.execute(query.returning(_TABLE.c.key))).all())


async def observed(db: Session, workspace_id: UUID, subject: Subject) -> Sequence[Mapping[str, Any]]:
    """The traits of the latest records, the most common first: kinds of values, and how many disagree with the type."""
    asked = {"workspace": workspace_id, "recent": RECENT, "most": MOST_SEEN}
    return rows(await db.execute(_OBSERVED[subject], asked))


def _asked(workspace_id: UUID, one: Definition) -> dict[str, Any]:
    options = orjson.dumps(_options(one)).decode()
    return {
        "workspace": workspace_id,
        "key": one.key,
        "type": one.type.value,
        "options": options,
        "most": MOST_LOOKED_AT,
    }


async def counts(db: Session, workspace_id: UUID, one: Definition) -> Mapping[str, Any]:
    """Of the latest records: how many were looked at, have a value, and one that disagrees with the type."""
    return rows(await db.execute(_COUNTS[one.subject], _asked(workspace_id, one)))[0]


async def conflicts(
    db: Session, workspace_id: UUID, one: Definition, *, after: UUID | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Records whose value disagrees with the type, the latest first."""
    asked = {**_asked(workspace_id, one), "after": after, "limit": limit}
    return rows(await db.execute(_CONFLICTS[one.subject], asked))


async def unreadable(db: Session, workspace_id: UUID, edits: Sequence[tuple[Definition, Any]]) -> str | None:
    """The first of these traits whose new value cannot be read as its type; None: all can."""
    del workspace_id
    told = [
        {"n": n, "key": one.key, "type": one.type.value, "options": _options(one), "value": value}
        for n, (one, value) in enumerate(edits)
        if value is not None
    ]
    found: str | None = await db.scalar(_UNREADABLE, {"edits": orjson.dumps(told).decode()}) if told else None
    return found
