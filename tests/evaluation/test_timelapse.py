"""Ninety days go by and nobody posts anything: what the clock alone changes, changes at its very instant."""

from datetime import datetime, timedelta
from itertools import pairwise
from random import Random

import pytest

from tests.evaluation.world import START, World

DAY, TICK = timedelta(days=1), timedelta(microseconds=1)
END = START + 90 * DAY
NAMES = [f"acme-{n}" for n in range(4)]
GROUP = "group"


def differing(one, other):
    """What is not the same, readable."""
    return {
        (ref, name): (one[ref].get(name), other[ref].get(name))
        for ref in other
        for name in other[ref]
        if one.get(ref, {}).get(name) != other[ref][name]
    }


def midnight(day):
    return datetime(day.year, day.month, day.day, tzinfo=START.tzinfo)


@pytest.fixture(scope="module")
def world(database_url):
    world = World(database_url)
    yield world
    world.close()


class Told:
    """What was told on day 0, and, in plain Python, what follows of it at any instant."""

    def __init__(self):
        chance = Random(8)
        self.events = {name: [] for name in NAMES}
        self.ends, self.trial_ends = {}, {}
        for n, name in enumerate(NAMES):
            for _ in range(3 + n):
                back = timedelta(days=chance.randrange(25), seconds=chance.randrange(86400), microseconds=n)
                self.events[name].append(START - back)
            self.ends[name] = START + timedelta(days=chance.randrange(5, 80), seconds=chance.randrange(86400))
            self.trial_ends[name] = START + timedelta(days=7 * n + 3, seconds=chance.randrange(86400))

    def seen(self, name):
        return max(self.events[name])

    def count(self, name, days, now):
        first = now.date() - timedelta(days=days - 1)
        return sum(1 for at in self.events[name] if at.date() >= first)

    def of_account(self, name, now):
        """Its segments, its status, its figures and its alerts."""
        seen, churned = self.seen(name), self.seen(name) <= now - 40 * DAY
        logins = self.count(name, 7, now)
        is_active = any(at.date() > now.date() - timedelta(days=30) for at in self.events[name])
        label = "healthy" if seen > now - 10 * DAY else "poor"
        if logins > 0:
            label = "concerning"  # of several that hold the worst counts
        held = {
            "contract ends": now < self.ends[name] <= now + 7 * DAY,
            "contract ended": self.ends[name] <= now - 3 * DAY,
            "quiet": seen <= now - 14 * DAY,
            "busy": self.count(name, 30, now) >= 3,
            "somebody active": is_active,
            "fewer logins": logins <= 1,
            "poor health": label == "poor",
            "users around": seen > now - 5 * DAY,
            "group quiet": self.group_seen() <= now - 20 * DAY,
        }
        fired = {"quiet one", *(("idle",) if churned else ())} if held["quiet"] else set()
        fired |= {"no login"} if logins == 0 else set()
        gone = self.group_seen() <= now - 60 * DAY
        status = ("churned", "organization") if gone else ("churned", "rule") if churned else ("trial", "rule")
        return {
            "segments": {one for one, holds in held.items() if holds},
            "alerts": fired,
            "status": status[0],
            "unconverted": status[0] == "trial" and self.trial_ends[name] <= now,
            "metric": logins,
            "label": label,
            "active": int(is_active),
        }

    def group_seen(self):
        return max(self.seen(name) for name in NAMES[:2])

    def expected(self, now):
        found = {}
        for name in NAMES:
            one = self.of_account(name, now)
            if name not in NAMES[:2]:
                one["segments"].discard("group quiet")
                if one["status"] == "churned" and self.seen(name) > now - 40 * DAY:
                    one["status"] = "trial"
                    one["unconverted"] = self.trial_ends[name] <= now
            found[name] = one
            found[f"user of {name}"] = {
                "segments": {"away"} if self.seen(name) <= now - 12 * DAY else set(),
                "status": "deactivated" if self.seen(name) <= now - 50 * DAY else "active",
            }
        quiet = self.group_seen() <= now - 60 * DAY
        found[GROUP] = {
            "segments": {"silent group"} if self.group_seen() <= now - 25 * DAY else set(),
            "status": "churned" if quiet else "subscribed",
            "active": sum(found[name]["active"] for name in NAMES[:2]),
        }
        return found

    def turns(self):
        """Every instant of the ninety days at which anything changes."""
        spans = (3, 5, 10, 12, 14, 20, 25, 40, 50, 60)
        around = [*self.ends.values(), *self.trial_ends.values(), *(self.seen(name) for name in NAMES)]
        instants = {at + timedelta(days=n) for at in around for n in (*spans, 0, -7)}
        instants |= {midnight(START.date() + timedelta(days=n)) for n in range(91)}
        kept = sorted(at for at in instants if START < at <= END)
        return [b for a, b in pairwise([START, *kept]) if self.expected(b) != self.expected(b - TICK)]


def field(path, op, value, **more):
    return {"field": path, "op": op, "value": value, **more}


ENDS = {"type": "datetime"}
SEGMENTS = {
    "accounts": {
        "contract ends": field("traits.ends", "inNextDays", 7, **ENDS),
        "contract ended": field("traits.ends", "moreThanDaysAgo", 3, **ENDS),
        "quiet": field("lastSeenAt", "moreThanDaysAgo", 14),
        "busy": {"event": "Login", "op": "atLeast", "count": 3, "inLastDays": 30},
        "somebody active": field("activeUsers", "atLeast", 1),
        "fewer logins": field("metrics.logins", "atMost", 1),
        "poor health": field("healthLabels.usage", "is", "poor"),
        "users around": {
            "related": "users",
            "op": "atLeast",
            "count": 1,
            "where": field("lastSeenAt", "inLastDays", 5),
        },
        "group quiet": field("organization.lastSeenAt", "moreThanDaysAgo", 20),
    },
    "users": {"away": field("lastSeenAt", "moreThanDaysAgo", 12)},
    "organizations": {"silent group": field("lastSeenAt", "moreThanDaysAgo", 25)},
}
LIFECYCLE = {
    "accounts": {
        "trial": field("traits.plan", "is", "free", type="text"),
        "churned": field("lastSeenAt", "moreThanDaysAgo", 40),
    },
    "users": {"churned": field("lastSeenAt", "moreThanDaysAgo", 50)},
    "organizations": {
        "churned": field("lastSeenAt", "moreThanDaysAgo", 60),
        "subscribed": {"field": "externalId", "op": "isSet"},
    },
}
HEALTH = [
    {
        "name": "Seen",
        "healthy": field("lastSeenAt", "inLastDays", 10),
        "concerning": field("metrics.logins", "atLeast", 1),
        "poor": {"all": [field("lastSeenAt", "moreThanDaysAgo", 10), field("metrics.logins", "is", 0)]},
    }
]


@pytest.fixture
def told(world):
    """The workspace on day 0, evaluated, and what it was told."""
    told, space = Told(), world.space()
    space.call("PUT", "/trait-map", {"trialEnd": ["trialEnds"]})
    for subject, rules in LIFECYCLE.items():
        space.call("PUT", f"/lifecycle/{subject}", rules | {"reprocess": True})
    space.call("POST", "/metrics", {"name": "Logins", "slug": "logins", "numerator": {"events": ["Login"], "days": 7}})
    space.call("POST", "/health-scores", {"name": "Usage", "slug": "usage", "conditions": HEALTH})
    ids = {}
    for subject, segments in SEGMENTS.items():
        for name, filter_ in segments.items():
            ids[name] = space.call("POST", "/segments", {"subject": subject, "name": name, "filter": filter_})["id"]
    indicators = {
        "quiet one": {"field": "segments", "op": "isAnyOf", "value": [ids["quiet"]]},
        "idle": {"all": [field("status", "is", "churned"), field("lastSeenAt", "moreThanDaysAgo", 14)]},
        "no login": field("metrics.logins", "is", 0),
    }
    for name, filter_ in indicators.items():
        space.call("POST", "/indicators", {"name": name, "kind": "risk", "filter": filter_})
    for name in NAMES:
        traits = {"plan": "free", "ends": told.ends[name].isoformat(), "trialEnds": told.trial_ends[name].isoformat()}
        parent = {"organizationId": GROUP} if name in NAMES[:2] else {}
        space.tell({"type": "account", "accountId": name, "traits": traits, **parent})
        space.tell({"type": "user", "userId": f"user of {name}", "accountId": name})
        for at in told.events[name]:
            logged_in = {"type": "event", "event": "Login", "accountId": name, "userId": f"user of {name}"}
            space.tell(logged_in | {"timestamp": at.isoformat()})
    space.drain()
    yield space, told
    space.close()


FOUND = {
    "accounts": """
        select r.external_id, jsonb_build_object('segments', f.segments, 'status', f.status,
            'unconverted', f.unconverted, 'metric', f.metrics -> 'logins', 'label', f.health_labels ->> 'usage',
            'active', f.active_users,
            'alerts', (select coalesce(jsonb_agg(i.name), '[]') from alerts x join indicators i on i.id = x.indicator_id
                where x.account_id = r.id and x.resolved_at is null))
        from accounts r join account_facts f on f.account_id = r.id""",
    "users": """
        select r.external_id, jsonb_build_object('segments', f.segments, 'status', f.status)
        from users r join user_facts f on f.user_id = r.id""",
    "organizations": """
        select r.external_id, jsonb_build_object('segments', f.segments, 'status', f.status, 'active', f.active_users)
        from organizations r join organization_facts f on f.organization_id = r.id""",
}


HISTORIES = """
select at from segment_changes union all select changed_at from status_changes
union all select fired_at from alerts union all select resolved_at from alerts where resolved_at is not null
"""


def found(space):
    """The same as `Told.expected`, of what is stored."""
    names = {str(id_): name for id_, name in space.query("select id, name from segments")}
    state = {}
    for query in FOUND.values():
        for ref, row in space.query(query):
            state[ref] = row | {"segments": {names[one] for one in row["segments"]}}
            if "alerts" in row:
                state[ref]["alerts"] = set(row["alerts"])
    return state


def next_check(space):
    """The soonest instant at which the workspace says it wants to be looked at."""
    tables = ("account_facts", "user_facts", "organization_facts")
    either = " union all ".join(f"select min(next_check_at) as at from {table}" for table in tables)
    return space.query(f"select min(at) from ({either}) t")[0][0]


def test_every_transition_of_ninety_quiet_days_is_at_its_instant(told):
    space, known = told
    turns, chance = known.turns(), Random(3)
    assert differing(found(space), known.expected(START)) == {}
    for now in turns:
        between = space.world.at
        for at in (between + chance.random() * (now - TICK - between), now - TICK, now):
            soonest = next_check(space)
            assert soonest is not None
            assert soonest <= now, f"nobody would look at {now}"
            space.world.at = at
            space.settle()
            assert differing(found(space), known.expected(at)) == {}, at
    space.world.at = END
    space.settle()

    assert differing(found(space), known.expected(END)) == {}
    assert len(turns) > 45
    moved = {at for (at,) in space.query(HISTORIES) if at > START}
    assert moved <= set(turns), "histories say the instants of the transitions"
    assert len(moved) > 30


def test_whoever_asks_only_when_next_check_at_says_so_misses_nothing(told):
    """The engine's own instants are enough: no timer of a test helps it."""
    space, known = told
    asked = []
    while (soonest := next_check(space)) is not None and soonest <= END:
        assert soonest >= space.world.at
        space.world.at = soonest
        space.settle()
        asked.append(soonest)
        assert differing(found(space), known.expected(soonest)) == {}, soonest

    assert set(known.turns()) <= set(asked)
    assert len(asked) <= 3 * len(known.turns()), "it does not look all the time either"


def test_without_the_clock_nothing_moves(told):
    """The negative control: what moved in the other tests, `next_check_at` moved."""
    space, known = told
    for table in ("account_facts", "user_facts", "organization_facts"):
        space.query(f"update {table} set next_check_at = null")
    space.world.at = END
    space.settle()

    assert differing(found(space), known.expected(START)) == {}
    assert len(differing(found(space), known.expected(END))) > 20
