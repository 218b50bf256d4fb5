"""Thirty report pages as customer-success teams ask for them, each beside SQL for the same answer written by hand."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.report_seeds import MEMBER

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SEGMENT = f"bench_id({MEMBER}, 2000)"


def days_ago(days: int) -> str:
    return f"'{(NOW - timedelta(days=days)).isoformat()}'::timestamptz"


def one(path: str, op: str, value: Any = None, type_: str | None = None) -> dict[str, Any]:
    return {"field": path, "op": op} | ({} if value is None else {"value": value}) | ({"type": type_} if type_ else {})


@dataclass(frozen=True)
class Key:
    """A sort key: the fact, the direction, and what SQL sorts by."""

    path: str
    sql: str
    descending: bool = True
    type: str | None = None
    nullable: bool = True

    @property
    def json(self) -> dict[str, Any]:
        return {"field": self.path, "direction": "desc" if self.descending else "asc", "type": self.type}


@dataclass(frozen=True)
class Ask:
    """A report: the filter, the same as a condition of SQL, and its order."""

    name: str
    filter: dict[str, Any]
    where: str
    sort: tuple[Key, ...] = field(default=())
    count: bool = False


SEEN = Key("owner.lastSeenAt", "f.owner_last_seen_at")
MRR = Key("mrr", "f.mrr")
SESSIONS = Key("owner.sessions", "f.owner_sessions")
EMAIL = Key("owner.email", "lower(f.owner_email)", descending=False)
NAME = Key("name", "lower(a.name)", descending=False)
STATUS = Key("status", "f.status", descending=False, nullable=False)
SEATS = Key("traits.seats", "steward_number(a.traits -> 'seats')", type="number")
RENEWS = Key("renewsAt", "f.renews_at", descending=False)
PLAN = Key("traits.plan", "lower(a.traits ->> 'plan')", descending=False)

PRO = one("traits.plan", "is", "pro", "text")
PRO_SQL = 'a.traits @> \'{"plan": "pro"}\''
EMEA, EMEA_SQL = one("traits.region", "is", "emea", "text"), 'a.traits @> \'{"region": "emea"}\''
LARGE, LARGE_SQL = one("traits.seats", "atLeast", 450, "number"), "steward_number(a.traits -> 'seats') >= 450"
AWAY = one("owner.lastSeenAt", "moreThanDaysAgo", 90)
AWAY_SQL = f"f.owner_last_seen_at <= {days_ago(90)}"
LIVE, LIVE_SQL = one("status", "is", "subscribed"), "f.status = 'subscribed'"
MINE = one("csm", "is", "MEMBER_7")
MINE_SQL = f"f.csm_id = bench_id({MEMBER}, 7)"


def both(name: str, parts: list[dict[str, Any]], sql: list[str], *sort: Key) -> Ask:
    return Ask(name, {"all": parts}, " and ".join(sql) or "true", sort)


PAGES = (
    both("everything by owner's last visit", [], [], SEEN),
    both("pro plan by owner's last visit", [PRO], [PRO_SQL], SEEN),
    both("subscribed, owner away for 90 days, by MRR", [LIVE, AWAY], [LIVE_SQL, AWAY_SQL], MRR),
    both("two traits and a range, by MRR", [PRO, EMEA, LARGE], [PRO_SQL, EMEA_SQL, LARGE_SQL], MRR),
    both("mine by renewal", [MINE, LIVE], [MINE_SQL, LIVE_SQL], RENEWS),
    both(
        "low usage, many seats, by sessions of the owner",
        [one("traits.usage", "lessThan", 5, "number"), LARGE],
        ["steward_number(a.traits -> 'usage') < 5", LARGE_SQL],
        SESSIONS,
    ),
    both("status, then MRR, then owner's address", [EMEA], [EMEA_SQL], STATUS, MRR, EMAIL),
    both(
        "owner's address contains, by owner's last visit",
        [one("owner.email", "contains", "customer77")],
        ["strpos(lower(f.owner_email), 'customer77') > 0"],
        SEEN,
    ),
    both(
        "contract ends within 60 days, by seats",
        [one("traits.contract_ends", "inNextDays", 60, "datetime")],
        [
            f"steward_instant(a.traits -> 'contract_ends') > '{NOW.isoformat()}'::timestamptz",
            f"steward_instant(a.traits -> 'contract_ends') <= '{(NOW + timedelta(days=60)).isoformat()}'::timestamptz",
        ],
        SEATS,
    ),
    both(
        "in a segment, not churned, by sessions, then MRR",
        [one("segments", "isAnyOf", ["SEGMENT"]), one("status", "isNot", "churned")],
        [f"f.segments && array[{SEGMENT}]", "f.status <> 'churned'"],
        SESSIONS,
        MRR,
    ),
    both(
        "detractors of three industries, by plan, then MRR",
        [
            one("traits.nps", "atMost", 3, "number"),
            one("traits.industry", "isAnyOf", ["industry-3", "industry-5", "industry-8"], "text"),
        ],
        [
            "steward_number(a.traits -> 'nps') <= 3",
            "lower(a.traits ->> 'industry') = any('{industry-3,industry-5,industry-8}')",
        ],
        PLAN,
        MRR,
    ),
    both("a name begins with, by name", [one("name", "startsWith", "globex")], ["lower(a.name) like 'globex%'"], NAME),
)
COUNTS = (
    Ask("count: pro plan", PRO, PRO_SQL, count=True),
    Ask("count: away owners", {"all": [LIVE, AWAY]}, f"{LIVE_SQL} and {AWAY_SQL}", count=True),
    Ask(
        "count: two traits and a range",
        {"all": [PRO, EMEA, LARGE]},
        f"{PRO_SQL} and {EMEA_SQL} and {LARGE_SQL}",
        count=True,
    ),
    Ask("count: mine", {"all": [MINE]}, MINE_SQL, count=True),
    Ask(
        "count: usage under 5",
        one("traits.usage", "lessThan", 5, "number"),
        "steward_number(a.traits -> 'usage') < 5",
        count=True,
    ),
    Ask(
        "count: either large or away",
        {"any": [LARGE, AWAY]},
        f"(coalesce({LARGE_SQL}, false) or coalesce({AWAY_SQL}, false))",
        count=True,
    ),
)

SHOWN = """
select f.account_id, a.external_id, a.name, f.status, f.mrr, f.csm_id, m.name, m.email, f.owner_email,
    f.owner_last_seen_at, f.owner_sessions
from ({page}) p
join account_facts f on f.workspace_id = $1 and f.account_id = p.account_id
join accounts a on a.workspace_id = $1 and a.id = p.account_id
left join members m on m.workspace_id = $1 and m.id = f.csm_id
order by p.place
"""
FROM = "account_facts f join accounts a on a.workspace_id = f.workspace_id and a.id = f.account_id"


def page_sql(ask: Ask, after: list[str] | None) -> str:
    """A page by hand: ids first, rows with the first sort value only (there are enough), a keyset an index can use."""
    first, *others = ask.sort
    way = " desc" if first.descending else ""
    order = [f"{first.sql}{way}"] + [f"{key.sql}{' desc nulls last' if key.descending else ''}" for key in others]
    where = [f"f.workspace_id = $1 and {ask.where} and {first.sql} is not null"]
    if after is not None:
        where.append(_beyond(ask.sort, after))
    rank = ", ".join([*order, f"f.account_id{way}"])
    inner = f"select f.account_id from {FROM} where {' and '.join(where)} order by {rank} limit 50"
    numbered = f"select account_id, row_number() over () as place from ({inner}) q"
    return SHOWN.format(page=numbered)


def _beyond(keys: tuple[Key, ...], after: list[str]) -> str:
    *values, id_ = after
    least = "<=" if keys[0].descending else ">="
    past = "<" if keys[0].descending else ">"
    if len(keys) == 1:
        return f"({keys[0].sql}, f.account_id) {past} ({values[0]}, {id_})"
    ways, same = [], []
    for key, value in zip(keys, values, strict=True):
        later = f"{key.sql} {'<' if key.descending else '>'} {value}"
        ways.append(" and ".join([*same, f"({later} or {key.sql} is null)" if key.nullable and same else later]))
        same.append(f"{key.sql} = {value}")
    ways.append(" and ".join([*same, f"f.account_id {past} {id_}"]))
    return f"{keys[0].sql} {least} {values[0]} and ({' or '.join(f'({way})' for way in ways)})"


def count_sql(ask: Ask) -> str:
    return f"select count(*) from {FROM} where f.workspace_id = $1 and {ask.where}"
