"""A small workspace full of awkward accounts, users and organizations and their relations, as rows and as the facts the
Python engine reads."""

import json
import random
from dataclasses import dataclass, field

from app.db.base import raw
from app.domain.fields import CATALOGUES, Subject
from app.domain.ids import new_id
from tests.db.populations import COLUMNS, INSTANTS, KEYS, NOW, NUMBERS, TRAITS, WORDS
from tests.domain.trees import IDS, ROLES

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
ACCOUNT = {
    **{name: one(*values) for name, values in COLUMNS.items()},
    **DERIVED,
    "joined_at": one(*INSTANTS),
    "owner_id": one(None, *IDS["usr"]),
    "role_holders": some("mem"),
    "access_groups": some("grp"),
    "key_roles": lambda: {role: str(random.choice(IDS["mem"])) for role in ROLES if random.random() < 0.5},
}
ACTIVITY = {
    **{name: one(*INSTANTS) for name in ("first_seen_at", "last_seen_at", "last_received_at", "last_sent_at")},
    "sessions": one(0, 1, 7, 8),
}
USER = {
    "status": one("active", "deactivated"),
    **{name: DERIVED[name] for name in ("status_source", "status_since", "segments")},
    "deactivated_at": one(*INSTANTS),
}
ORGANIZATION = {
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
    world.facts = Told(rows).facts()
    return world


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
                found[path] = tables.get(fact.table, defaults).get(fact.column, defaults.get(fact.column))
        return found

    def organization(self, one):
        facts = self.by["organization_facts"].get(one["id"], {})
        named = {**one, "name": one["traits"].get("name")}
        defaults = {"status": "subscribed", "status_source": "default", "accounts": 0, "users": 0}
        defaults |= {"segments": [], "unconverted": False}
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
        roles = {role: next(m for m in IDS["mem"] if str(m) == held) for role, held in facts["key_roles"].items()}
        found |= {f"keyRoles.{role}": member for role, member in roles.items()}
        parent = organizations.get(facts["organization_id"])
        if parent is not None:
            found |= {f"organization.{path}": value for path, value in parent.items() if path not in ("id", "traits")}
            found |= {f"organization.traits.{key}": value for key, value in parent["traits"].items()}
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
    for table in ORDER:
        for one in world.rows[table]:
            values = [json.dumps(v) if k in JSON else v for k, v in one.items()]
            places = ", ".join(f"${ix + 2}" for ix in range(len(one)))
            await connection.execute(
                f"insert into {table} (workspace_id, {', '.join(one)}) values ($1, {places})", workspace_id, *values
            )


JSON = {"traits", "key_roles", "filter", "why"}
