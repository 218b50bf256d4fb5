"""A small workspace full of awkward accounts, users and organizations and their relations, as rows and as the facts the
Python engine reads."""

import json
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

from app.db.base import raw
from app.domain.fields import CATALOGUES, FAMILIES, LABELS, Subject, Type
from app.domain.ids import new_id
from app.domain.matching import digest
from tests.db.populations import COLUMNS, INSTANTS, KEYS, MEMBERS, NOW, NUMBERS, TRAITS, WORDS
from tests.domain.trees import EVENTS, IDS, ROLES, SLUGS

NOBODY = UUID(int=0)
AGO = (0, 1, 2, 6, 7, 8, 13, 14, 29, 30, 31, 36, 37, 399, 400, 800)  # days on which events were counted
OTHER = "filtered"  # what is counted of logins with a property, which is not how many logins there were
STATUSES = ["subscribed", "trial", "churned", "ignored"]
SOURCES = ["default", "trait", "rule", "manual"]


def some(name):
    """A few ids, or none."""
    return lambda: random.sample(IDS[name], random.choice([0, 0, 1, 2]))


def one(*values):
    return lambda: random.choice(values)


DERIVED = {
    "status_source": one(*SOURCES),
    "status_since": one(*INSTANTS),
    "unconverted": one(True, False),
    "trial_ends_at": one(*INSTANTS),
    "churned_at": one(*INSTANTS),
    "renews_at": one(*INSTANTS),
    "segments": some("seg"),
}


def slots(*values):
    """Values under slugs of the customer's, as JSON has them."""
    return lambda: {slug: random.choice(values) for slug in SLUGS if random.random() < 0.6}


FIGURES = {
    "active_users": one(0, 1, 7),
    "active_user_share": one(None, *NUMBERS),
    "last_received_at": one(*INSTANTS),
    "last_sent_at": one(*INSTANTS),
    "elements": slots(0, 7, 8),
    "element_firsts": slots(*(at.isoformat() for at in INSTANTS if at)),
    "element_lasts": slots(*(at.isoformat() for at in INSTANTS if at)),
    "elements_used": one(0, 1, 7),
    "nps": one(None, *NUMBERS),
    **dict.fromkeys(("nps_responses", "nps_promoters", "nps_passives", "nps_detractors"), one(0, 1, 7)),
    "nps_last_at": one(*INSTANTS),
    "metrics": slots(0, 7, 7.5, -5, 1e22),
    "metric_changes": slots(0, 7, 7.5, -5),
    "health": one(None, *NUMBERS),
    "health_label": one(None, *LABELS.split()),
    "health_scores": slots(0, 7, 7.5, 10),
    "health_labels": slots(*LABELS.split()),
    "key_roles": lambda: {role: str(random.choice(IDS["mem"])) for role in ROLES if random.random() < 0.5},
    "role_holders": some("mem"),
}
STAFF = {"joined_at": one(*INSTANTS), "csm_id": one(None, *MEMBERS), "account_executive_id": one(None, *MEMBERS)}
ACCOUNT = {
    **FIGURES,
    **{name: one(*values) for name, values in COLUMNS.items()},
    **DERIVED,
    "joined_at": one(*INSTANTS),
    "owner_id": one(None, *IDS["usr"]),
    "access_groups": some("grp"),
}
ACTIVITY = {
    **{name: one(*INSTANTS) for name in ("first_seen_at", "last_seen_at", "last_received_at", "last_sent_at")},
    "sessions": one(0, 1, 7, 8),
}
USER = {
    "status": one("active", "deactivated"),
    **{name: DERIVED[name] for name in ("status_source", "status_since", "segments")},
    "deactivated_at": one(*INSTANTS),
    "nps_score": one(None, 0, 7, 10),
    "nps_group": one(None, "detractor", "passive", "promoter"),
    "nps_responded_at": one(*INSTANTS),
}
ORGANIZATION = {
    **FIGURES,
    **STAFF,
    "status": one(*STATUSES),
    **DERIVED,
    "mrr": one(None, *NUMBERS),
    "accounts": one(0, 1, 7),
    "users": one(0, 1, 7),
    "first_seen_at": one(*INSTANTS),
    "last_seen_at": one(*INSTANTS),
}


def row(columns):
    return {name: draw() for name, draw in columns.items()}


def traits():
    found = {key: random.choice(TRAITS) for key in KEYS if random.random() < 0.8}
    return found | {key: random.choice(WORDS) for key in ("name", "email") if random.random() < 0.7}


def record(id_, ix):
    made, changed = (random.choice([at for at in INSTANTS if at]) for _ in "12")
    named = {"id": id_, "external_id": f"{random.choice(WORDS)}-{ix}"}
    return {**named, "created_at": made, "updated_at": changed, "traits": traits()}


@dataclass
class World:
    """Rows by table; `facts` has what each record looks like to the Python engine."""

    rows: dict = field(default_factory=dict)
    facts: dict = field(default_factory=dict)


def draw(seed, accounts=40, users=30, organizations=8):
    """A world; the same for the same seed, but for ids."""
    random.seed(seed)
    world = World()
    here = {
        Subject.ACCOUNTS: [record(id_, ix) for ix, id_ in enumerate(IDS["acc"][:accounts])],
        Subject.USERS: [record(id_, ix) for ix, id_ in enumerate(IDS["usr"][:users])],
        Subject.ORGANIZATIONS: [record(id_, ix) for ix, id_ in enumerate(IDS["org"][:organizations])],
    }
    parents = [None, *(one["id"] for one in here[Subject.ORGANIZATIONS])]
    external = {one["id"]: one["external_id"] for one in here[Subject.ORGANIZATIONS]}
    rows = world.rows = {
        **{subject.value: records for subject, records in here.items()},
        "account_facts": [],
        "user_activity": [{"user_id": u["id"], **row(ACTIVITY)} for u in here[Subject.USERS] if random.random() < 0.7],
        "user_facts": [{"user_id": u["id"], **row(USER)} for u in here[Subject.USERS] if random.random() < 0.6],
        "organization_facts": [
            {"organization_id": o["id"], **row(ORGANIZATION)}
            for o in here[Subject.ORGANIZATIONS]
            if random.random() < 0.7
        ],
    }
    for account in here[Subject.ACCOUNTS]:
        parent = random.choice(parents)
        rows["account_facts"].append(
            {"account_id": account["id"], **row(ACCOUNT), "organization_id": parent}
            | {"organization_external_id": external.get(parent)}
        )
    rows["account_parents"] = [
        {"account_id": one["account_id"], "organization_id": one["organization_id"], "stamp": 1}
        for one in rows["account_facts"]
        if one["organization_id"] is not None or random.random() < 0.5
    ]
    pairs = {(a["id"], u["id"]) for a in here[Subject.ACCOUNTS] for u in here[Subject.USERS] if random.random() < 0.08}
    rows["memberships"] = [
        {"account_id": a, "user_id": u, "linked": random.random() < 0.8, "changed_at": NOW, "first_linked_at": NOW}
        for a, u in sorted(pairs)
    ]
    rows["affiliations"] = [
        {"organization_id": o["id"], "user_id": u["id"], "first_linked_at": NOW}
        for o in here[Subject.ORGANIZATIONS]
        for u in here[Subject.USERS]
        if random.random() < 0.05
    ]
    rows["indicators"] = [{"id": id_, "name": "I", "kind": "risk", "filter": {"all": []}} for id_ in IDS["ind"]]
    rows["alerts"] = [alert(a["id"], i) for a in here[Subject.ACCOUNTS] for i in IDS["ind"] if random.random() < 0.4]
    rows["mrr_changes"] = [
        {"account_id": a["id"], "changed_at": at, "mrr": random.choice([None, *NUMBERS, 90, 120])}
        for a in here[Subject.ACCOUNTS]
        for at in random.sample(sorted({at for at in INSTANTS if at}), random.choice([0, 1, 2, 5]))
    ]
    rows["measure_days"] = [
        one
        for table in ("accounts", "organizations")
        for record in rows[table]
        for event in (*EVENTS, OTHER)
        for one in counts(record["id"], event)
    ]
    world.facts = Told(rows).facts()
    return world


def counts(record_id, event):
    """What was counted of an event, on some days, of one user, of several or of nobody."""
    days = random.sample(AGO, random.choice([0, 0, 1, 2, 6]))
    whose = {ago: random.sample([NOBODY, *IDS["usr"][:3]], random.choice([1, 1, 2])) for ago in days}
    return [
        {"record_id": record_id, "event": event, "day": (NOW - timedelta(days=ago)).date(), "user_id": user, "count": n}
        for ago, users in whose.items()
        for user in users
        for n in [random.choice([1, 1, 2, 5])]
    ]


def alert(account_id, indicator_id):
    state = random.choice(["active", "addressed", "resolved"])
    return {
        "id": new_id(),
        "indicator_id": indicator_id,
        "indicator_version": 1,
        "account_id": account_id,
        "state": state,
        "why": [],
        "fired_at": NOW,
        "resolved_at": NOW if state == "resolved" else None,
    }


def named(facts):
    """What stands under the customer's own names, by path."""
    found = {}
    for family in FAMILIES.values():
        for slug, value in facts.get(family.column, {}).items():
            read = {Type.PERSON: UUID, Type.DATETIME: datetime.fromisoformat, Type.SELECT: str}.get(family.type)
            found[family.prefix + slug] = read(value) if read else Decimal(repr(value))
    return found


def counted(days):
    """What was counted on these days, and the facts that say so; in this world events come at midnight."""
    found = {"days": days, **{f"eventCount.{event}": 0 for event in (*EVENTS, "Never")}}
    for event, seen in days.items():
        found[f"eventCount.{event}"] = sum(number for _, number in seen)
        first, last = (datetime.combine(at, time(), UTC) for at in (min(seen)[0], max(seen)[0]))
        found |= {f"eventFirstAt.{event}": first, f"eventLastAt.{event}": last}
    return found


class Told:
    """What the rows say of each record, by path: written apart from the compiler, after docs/filters.md."""

    def __init__(self, rows):
        self.rows = rows
        self.by = {
            table: {one[key]: one for one in rows[table]}
            for table, key in [
                ("organization_facts", "organization_id"),
                ("user_facts", "user_id"),
                ("user_activity", "user_id"),
                ("account_facts", "account_id"),
            ]
        }

    def facts(self):
        organizations = {one["id"]: self.organization(one) for one in self.rows["organizations"]}
        users = {one["id"]: self.user(one) for one in self.rows["users"]}
        accounts = {one["id"]: self.account(one, organizations) for one in self.rows["accounts"]}
        self.relate(accounts, users, organizations)
        return {Subject.ACCOUNTS: accounts, Subject.USERS: users, Subject.ORGANIZATIONS: organizations}

    def told(self, subject, one, tables, defaults):
        found = {"traits": one["traits"], "related": {}}
        for path, fact in CATALOGUES[subject].items():
            if fact.via is None:
                value = tables.get(fact.table, defaults).get(fact.column, defaults.get(fact.column))
                found[path] = value if fact.slot is None else (value or {}).get(fact.slot)
        return found | named(tables.get(f"{subject.value[:-1]}_facts", {}))

    def organization(self, one):
        facts = self.by["organization_facts"].get(one["id"], {})
        named = {**one, "name": one["traits"].get("name")}
        defaults = {"status": "subscribed", "status_source": "default", "accounts": 0, "users": 0}
        defaults |= {"segments": [], "role_holders": [], "unconverted": False, "active_users": 0, "elements_used": 0}
        defaults |= dict.fromkeys(("nps_responses", "nps_promoters", "nps_passives", "nps_detractors"), 0)
        tables = {"organizations": named, "organization_facts": facts}
        return self.told(Subject.ORGANIZATIONS, one, tables, defaults)

    def user(self, one):
        named = {**one, "name": one["traits"].get("name"), "email": one["traits"].get("email")}
        defaults = {"status": "active", "status_source": "default", "segments": []}
        tables = {"users": named, "user_facts": self.by["user_facts"].get(one["id"], {})}
        tables["user_activity"] = self.by["user_activity"].get(one["id"], {})
        return self.told(Subject.USERS, one, tables, defaults)

    def account(self, one, organizations):
        facts = self.by["account_facts"][one["id"]]
        active = [a for a in self.rows["alerts"] if a["account_id"] == one["id"] and a["state"] != "resolved"]
        named = {**one, "name": one["traits"].get("name")}
        tables = {"accounts": named, "account_facts": facts}
        tables["alerts"] = {"indicator_id": [a["indicator_id"] for a in active]}
        found = self.told(Subject.ACCOUNTS, one, tables, {})
        changes = [(c["changed_at"], c["mrr"]) for c in self.rows["mrr_changes"] if c["account_id"] == one["id"]]
        found["history"] = {"mrr": changes}
        found |= counted(self.days([one["id"]]))
        parent = organizations.get(facts["organization_id"])
        if parent is not None:
            found |= {f"organization.{path}": value for path, value in parent.items() if path not in ("id", "traits")}
            found |= {f"organization.traits.{key}": value for key, value in parent["traits"].items()}
        return found

    def days(self, records):
        """What was counted for any of these records on each day, by event."""
        found = {}
        for one in self.rows["measure_days"]:
            if one["record_id"] in records and one["event"] in EVENTS:
                found.setdefault(one["event"], []).append((one["day"], one["count"]))
        return found

    def relate(self, accounts, users, organizations):
        linked = [(m["account_id"], m["user_id"]) for m in self.rows["memberships"] if m["linked"]]
        parents = [
            (p["organization_id"], p["account_id"]) for p in self.rows["account_parents"] if p["organization_id"]
        ]
        for id_, account in accounts.items():
            account["related"]["users"] = [users[u] for a, u in linked if a == id_]
        for id_, user in users.items():
            user["related"]["accounts"] = [accounts[a] for a, u in linked if u == id_]
            user["accounts"] = len(user["related"]["accounts"])
        for id_, organization in organizations.items():
            children = [a for o, a in parents if o == id_]
            organization.update(counted(self.days([id_, *children])))
            people = {u for a, u in linked if a in children}
            people |= {one["user_id"] for one in self.rows["affiliations"] if one["organization_id"] == id_}
            organization["related"] = {"accounts": [accounts[a] for a in children]}
            organization["related"]["users"] = [users[u] for u in sorted(people)]


ORDER = (
    "organizations",
    "users",
    "accounts",
    "account_facts",
    "user_activity",
    "user_facts",
    "organization_facts",
    "account_parents",
    "memberships",
    "affiliations",
    "indicators",
    "alerts",
    "mrr_changes",
)


async def store(db, workspace_id, world):
    """Write the rows."""
    connection = await raw(db)
    await count(connection, workspace_id, world.rows["measure_days"])
    for table in ORDER:
        for one in world.rows[table]:
            values = [json.dumps(v) if k in JSON else v for k, v in one.items()]
            places = ", ".join(f"${ix + 2}" for ix in range(len(one)))
            await connection.execute(
                f"insert into {table} (workspace_id, {', '.join(one)}) values ($1, {places})", workspace_id, *values
            )


async def count(connection, workspace_id, days):
    """Write what was counted as ingestion does: by day and in all, under the numbers of what is counted."""
    numbers = {}
    for event in sorted({one["event"] for one in days}):
        name, kept = ("Login", '{"property": "plan", "op": "isSet"}') if event == OTHER else (event, None)
        numbers[event] = await connection.fetchval(
            "insert into measures (workspace_id, name, filter, digest) values ($1, $2, $3, $4) returning id",
            *(workspace_id, name, kept, digest(name, kept and json.loads(kept))),
        )
    await connection.executemany(
        "insert into measure_days values ($1, $2, $3, $4, $5, $6)",
        [(workspace_id, d["record_id"], numbers[d["event"]], d["day"], d["user_id"], d["count"]) for d in days],
    )
    await connection.execute(
        "insert into measure_totals select workspace_id, record_id, measure_id, sum(count), min(day), max(day)"
        " from measure_days where workspace_id = $1 group by 1, 2, 3",
        workspace_id,
    )


JSON = {"traits", "key_roles", "filter", "why"} | {family.column for family in FAMILIES.values()}
