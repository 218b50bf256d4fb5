"""What has been derived about a workspace, and how it is derived anew: what 'equal' means is written down here."""

TABLES = {
    "accounts": ("account_facts", "account_id"),
    "users": ("user_facts", "user_id"),
    "organizations": ("organization_facts", "organization_id"),
}

BOOKKEEPING = {
    "workspace_id": "the same for all",
    "evaluated_at": "when somebody last looked",
    "told": "a digest by which repetitions are spared",
    "access_groups": "ids of groups, which no example makes",
}
"""Columns that say how the state was come by. They are never compared."""

REMEMBERED = {
    "status_since": "when the status began is history: from scratch, it begins now",
    "churned_at": "since when it is churned is the same, unless a trait says it",
    "deactivated_at": "as churned_at",
    "owner_since": "when the owner became it, as status_since",
}
"""Columns that are history themselves: compared when everything is evaluated again, not when it is from scratch."""

CARRIED = {
    "last_mrr": "the MRR it had when it last had one: traits that were cleared do not say it any more",
    "segments": "those somebody put it in by hand: links are settled when they change, and these have not",
}
"""What the facts alone know and evaluation rests on. A workspace derived from scratch is given it."""

ALERTS = """
select a.external_id, i.name from alerts x
join accounts a on a.id = x.account_id join indicators i on i.id = x.indicator_id
where x.resolved_at is null
"""
LINKS = """
select s.name, coalesce(a.external_id, u.external_id, o.external_id), l.source from segment_links l
join segments s on s.id = l.segment_id left join accounts a on a.id = l.record_id
left join users u on u.id = l.record_id left join organizations o on o.id = l.record_id
"""


def derived(space, *, besides=()):
    """Everything derived, by what it is about; but for some columns."""
    found = {}
    for people, (table, key) in TABLES.items():
        left_out = [*BOOKKEEPING, *besides, key]
        untouched = {name: value for name, value in _untouched(space, table).items() if name not in left_out}
        for ref, created_at, row in space.query(
            f"select r.external_id, to_jsonb(r.created_at), to_jsonb(f) - cast(:left_out as text[]) from {people} r "
            f"left join {table} f on f.{key} = r.id",
            left_out=left_out,
        ):
            found[people, ref] = untouched | {"status_since": created_at} if row is None else row
            if "status_since" in left_out:
                found[people, ref].pop("status_since", None)
    found["alerts"] = sorted(space.query(ALERTS))
    found["links"] = sorted(space.query(LINKS))
    return found


UNTOUCHED = {}


def _untouched(space, table):
    """What is true of a record nobody had a reason to look at: it has no row, which says the same as this one."""
    if table not in UNTOUCHED:
        columns = space.query(
            "select column_name, column_default from information_schema.columns "
            f"where table_schema = 'public' and table_name = '{table}'"
        )
        defaults = ", ".join(f"{default or 'null'} as {name}" for name, default in columns)
        ((UNTOUCHED[table],),) = space.query(f"select to_jsonb(d) from (select {defaults}) d".replace("::", r"\:\:"))
    return UNTOUCHED[table]


def differences(one, other):
    """What is not the same, in few words."""
    told = []
    for key in sorted({*one, *other}, key=repr):
        a, b = one.get(key), other.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            told += [(key, name, a.get(name), b.get(name)) for name in sorted({*a, *b}) if a.get(name) != b.get(name)]
        elif a != b:
            told.append((key, a, b))
    return told


COUNTED = """
with kept as (
    select d.record_id, m.name, d.day, d.user_id, sum(d.count)::bigint as count
    from measure_days d join measures m on m.workspace_id = d.workspace_id and m.id = d.measure_id
    where m.filter is null group by 1, 2, 3, 4
),
stored as (
    select coalesce(account_id, organization_id) as record_id, name,
        cast(occurred_at at time zone 'utc' as date) as day,
        coalesce(user_id, '00000000-0000-0000-0000-000000000000') as user_id, count(*) as count
    from events where coalesce(account_id, organization_id) is not null group by 1, 2, 3, 4
)
select name, cast(day as text), k.count, s.count
from kept k full join stored s using (record_id, name, day, user_id) where k.count is distinct from s.count
order by 1, 2
"""


def counted_wrongly(space):
    """Daily counts that are not what the stored events come to."""
    return space.query(COUNTED)


def mark_everything(space):
    """As if every record had changed."""
    space.query("insert into dirty_accounts (workspace_id, account_id) select workspace_id, id from accounts")
    for people in ("users", "organizations"):
        space.query(
            "insert into dirty_records (workspace_id, subject, record_id) "
            f"select workspace_id, '{people}', id from {people}"
        )


def choices(space):
    """What was decided by hand about statuses. A choice ends when the rules come to say otherwise, as they do while
    nothing is evaluated yet: whoever begins from scratch puts it back."""
    return space.query("select cast(to_jsonb(c) as text) from status_choices c")


def put_back(space, kept):
    """The choices as they were."""
    space.query("delete from status_choices")
    for (row,) in kept:
        space.query(
            "insert into status_choices select * from jsonb_populate_record(cast(null as status_choices), "
            "cast(:row as jsonb))",
            row=row,
        )


def forget(space):
    """As if nothing had ever been evaluated: no facts, no alerts, no membership a rule gave."""
    mrr = space.query("select account_id, last_mrr from account_facts where last_mrr is not null")
    space.query("delete from alerts")
    space.query("delete from segment_links where source = 'rule'")
    for people, (table, key) in TABLES.items():
        space.query(f"delete from {table}")
        space.query(
            f"insert into {table} (workspace_id, {key}, segments) "
            "select l.workspace_id, l.record_id, array_agg(distinct l.segment_id) from segment_links l "
            f"join segments s on s.id = l.segment_id and s.subject = '{people}' and s.archived_at is null "
            f"join {people} r on r.id = l.record_id group by 1, 2"
        )
    for account, last in mrr:
        space.query(
            "insert into account_facts (workspace_id, account_id, last_mrr) values (:w, :account, :last) "
            "on conflict (workspace_id, account_id) do update set last_mrr = excluded.last_mrr",
            account=account,
            last=last,
        )
