"""What mapped traits say of key roles, and what is remembered of it, set by set."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from app.db.base import Session
from app.db.role_tables import for_each
from app.domain.fields import Subject
from app.domain.roles import Decision, Standing

LONGEST_VALUE: Final = 320

_VALUE = """nullif(left(btrim(case
    when jsonb_typeof(a.traits -> w.key) in ('string', 'number') then a.traits ->> w.key
end), :longest), '')"""

# A value names a member by id or by e-mail address, in whatever case.
_STANDINGS: Final = for_each(
    """
select s.record_id, s.role, s.value, case when m.deactivated_at is null then m.id end as named,
    m.deactivated_at is not null as left, k.member_id as holder, k.source,
    t.{id} is not null as known, t.value as known_value, coalesce(t.chosen, false) as chosen, t.chosen_with,
    t.problem
from (
    select a.id as record_id, w.role, {value} as value
    from {records} a cross join unnest(cast(:roles as text[]), cast(:keys as text[])) as w (role, key)
    where a.workspace_id = :workspace and a.id = any(cast(:records as uuid[]))
) s
left join members m on m.workspace_id = :workspace
    and (lower(m.email) = lower(s.value) or m.id = (
        case when s.value ~ '^mem_[0-9a-f]{{32}}$' then substr(s.value, 5)::uuid end))
left join {held} k on k.workspace_id = :workspace and k.{id} = s.record_id and k.role = s.role
left join {said} t on t.workspace_id = :workspace and t.{id} = s.record_id and t.role = s.role
where s.value is not null or t.{id} is not null
order by s.record_id, s.role
""",
    value=_VALUE,
)

_CHOSEN: Final = for_each(
    """
insert into {said} as x (workspace_id, {id}, role, value, chosen, chosen_with)
select :workspace, s.record_id, :role, s.value, true, s.value
from (
    select a.id as record_id, {value} as value from {records} a cross join (values (cast(:key as text))) as w (key)
    where a.workspace_id = :workspace and a.id = any(cast(:records as uuid[]))
) s
order by s.record_id
on conflict (workspace_id, {id}, role) do update set
    value = excluded.value, chosen = true, chosen_with = excluded.chosen_with, problem = null
""",
    value=_VALUE,
)

_SAVE: Final = for_each(
    """
insert into {said} as x (workspace_id, {id}, role, value, chosen, chosen_with, problem)
select :workspace, t.record_id, t.role, t.value, t.chosen, t.chosen_with, t.problem
from unnest(cast(:records as uuid[]), cast(:roles as text[]), cast(:values as text[]), cast(:chosen as boolean[]),
    cast(:withs as text[]), cast(:problems as text[])) as t (record_id, role, value, chosen, chosen_with, problem)
order by t.record_id, t.role
on conflict (workspace_id, {id}, role) do update set
    value = excluded.value, chosen = excluded.chosen, chosen_with = excluded.chosen_with, problem = excluded.problem
"""
)

_AWAITED: Final = for_each(
    """
select distinct {id} from {said}
where workspace_id = :workspace and problem is not null and lower(value) = any(cast(:names as text[]))
order by {id}
"""
)


async def lock_arrivals(db: Session, workspace_id: UUID, *, alone: bool) -> None:
    """Keep it as it is who has come to the team, until this transaction ends; `alone`: let somebody come.

    Those who find that a value names nobody share the lock, and look after they have it: so whoever comes is either
    seen by them, or waits until what they noted can be found.
    """
    lock = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
    query = text(f"select {lock}(hashtext('steward.arrivals'), hashtext(:workspace))")
    await db.execute(query, {"workspace": str(workspace_id)})


async def standings(
    db: Session,
    workspace_id: UUID,
    records: Sequence[UUID],
    mapped: Mapping[str, str],
    *,
    subject: Subject = Subject.ACCOUNTS,
) -> list[Standing]:
    """Each mapped role (role -> trait key) at each record, where the trait says something or ever did."""
    asked = {"records": list(records), "roles": list(mapped), "keys": list(mapped.values())}
    found = await db.execute(_STANDINGS[subject], {"workspace": workspace_id, "longest": LONGEST_VALUE, **asked})
    names = [field.name for field in fields(Standing)]
    return [Standing(**{name: row[name] for name in names}) for row in found.mappings()]


async def save(
    db: Session,
    workspace_id: UUID,
    news: Sequence[tuple[Standing, Decision]],
    *,
    subject: Subject = Subject.ACCOUNTS,
) -> None:
    """Remember what the traits said and what was made of it."""
    if not news:
        return
    values: dict[str, Any] = {
        "records": [one.record_id for one, _ in news],
        "roles": [one.role for one, _ in news],
        "values": [one.value for one, _ in news],
        "chosen": [decision.chosen for _, decision in news],
        "withs": [decision.chosen_with for _, decision in news],
        "problems": [decision.problem for _, decision in news],
    }
    await db.execute(_SAVE[subject], {"workspace": workspace_id, **values})


async def note_choice(
    db: Session,
    workspace_id: UUID,
    role: str,
    key: str,
    records: Sequence[UUID],
    *,
    subject: Subject = Subject.ACCOUNTS,
) -> None:
    """Remember that somebody chose who holds the role at these records, and what the mapped trait said meanwhile."""
    asked = {"role": role, "key": key, "records": list(records), "longest": LONGEST_VALUE}
    await db.execute(_CHOSEN[subject], {"workspace": workspace_id, **asked})


async def awaiting(
    db: Session, workspace_id: UUID, names: Sequence[str], *, subject: Subject = Subject.ACCOUNTS
) -> list[UUID]:
    """The records whose trait names somebody by one of these names, which said nothing when last looked at."""
    asked = {"workspace": workspace_id, "names": [name.lower() for name in names]}
    return list((await db.execute(_AWAITED[subject], asked)).scalars())
