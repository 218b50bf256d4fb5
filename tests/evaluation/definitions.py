"""Definitions as customers write them, for hypothesis: conditions that hold for some records and not for others."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

statuses = st.sampled_from([None, "subscribed", "trial", "churned", "ignored"])
days = st.sampled_from([0, 1, 3, 7, 30])
counts = st.integers(0, 3)


def leaf(field, op, value=None, **more):
    """A condition; its value may be a strategy."""
    shape = {"field": st.just(field), "op": st.just(op)}
    if value is not None:
        shape["value"] = value if isinstance(value, st.SearchStrategy) else st.just(value)
    return st.fixed_dictionaries(shape | {name: st.just(said) for name, said in more.items()})


def dated(field, **more):
    """Relative dates: what the clock alone changes."""
    ops = (
        "moreThanDaysAgo",
        "lessThanDaysAgo",
        "inLastDays",
        "moreThanDaysFromNow",
        "lessThanDaysFromNow",
        "inNextDays",
    )
    return [leaf(field, op, days, **more) for op in ops] + [leaf(field, "isNotSet", **more)]


def numbered(field, values=(0, 1, 2, 5, 50), **more):
    return [leaf(field, op, st.sampled_from(values), **more) for op in ("greaterThan", "atMost", "is", "isNot")]


PLAIN = [
    leaf("traits.plan", "is", st.sampled_from(["free", "pro", "test"]), type="text"),
    leaf("traits.plan", "isNot", "pro", type="text"),
    leaf("traits.flag", "isTrue"),
    leaf("traits.tags", "isAnyOf", ["a"], type="list"),
    leaf("name", "isSet"),
    *numbered("traits.seats", type="number"),
    *dated("traits.ends", type="datetime"),
]
SEEN = dated("lastSeenAt") + dated("firstSeenAt")[:2]
STATUS = [
    leaf("status", "is", "churned"),
    leaf("status", "isAnyOf", ["trial", "subscribed"]),
    leaf("statusSource", "isNot", "default"),
    leaf("unconverted", "isTrue"),
    *numbered("mrr", (0, 10, 99)),
]
ACCOUNT = [
    *PLAIN,
    *SEEN,
    *numbered("users"),
    *numbered("events"),
    *dated("trialEndsAt"),
    *dated("renewsAt")[:2],
    *dated("owner.lastSeenAt")[:3],
    *numbered("owner.sessions"),
    leaf("owner.state", "is", "resolved"),
    leaf("owner.email", "isSet"),
    leaf("organization.traits.plan", "is", "pro", type="text"),
    leaf("organization.externalId", "isSet"),
    *dated("organization.traits.ends", type="datetime")[:2],
    *numbered("organization.accounts"),
    *numbered("organization.users"),
    leaf("organization.status", "is", "churned"),
    *dated("organization.lastSeenAt")[:2],
]
USER = [*PLAIN, *SEEN, *numbered("sessions"), *numbered("accounts"), leaf("traits.vip", "isTrue")]
ORGANIZATION = [*PLAIN, *SEEN, *numbered("accounts"), *numbered("users"), *numbered("mrr"), *dated("trialEndsAt")[:3]]

USER_STATUS = [leaf("status", "is", "deactivated"), leaf("statusSource", "is", "manual")]


def tree(leaves, related=()):
    """A condition, or a few of them, with groups and conditions on related records."""
    one = st.one_of(*leaves, *related)
    few = st.lists(one, min_size=1, max_size=3)
    return st.one_of(
        one,
        one,
        st.fixed_dictionaries({"all": few}),
        st.fixed_dictionaries({"any": few}),
        one.map(lambda x: {"not": x}),
    )


def related(name, leaves):
    """How many records of another kind meet a condition."""
    return st.fixed_dictionaries(
        {
            "related": st.just(name),
            "op": st.sampled_from(["atLeast", "atMost", "exactly"]),
            "count": counts,
            "where": tree(leaves),
        }
    ) | st.fixed_dictionaries({"related": st.just(name), "op": st.just("none"), "where": tree(leaves)})


OF_USERS = related("users", [*USER, *USER_STATUS])
OF_ACCOUNTS = related("accounts", [*ACCOUNT, *STATUS])


def happened():
    """How often an event came, in a window of days or ever."""
    counted = st.fixed_dictionaries(
        {"event": names_of_events, "op": st.sampled_from(["atLeast", "atMost", "exactly"]), "count": counts},
        optional={"inLastDays": windows},
    )
    never = st.fixed_dictionaries({"event": names_of_events, "op": st.just("none")}, optional={"inLastDays": windows})
    return counted | never


names_of_events = st.sampled_from(["Login", "Report Exported", "Invoice Paid"])
windows = st.sampled_from([1, 2, 7, 30])
FIGURES = [
    happened(),
    *numbered("activeUsers", (0, 1, 2)),
    *numbered("activeUserShare", (0, 50)),
    *dated("lastReceivedMessageAt")[:2],
    *dated("lastSentMessageAt")[:2],
    *numbered("elementsUsed", (0, 1)),
    *numbered("elements.e1", (0, 1)),
    *dated("elementLastAt.e1")[:2],
    *numbered("nps", (-100, 0, 50)),
    *numbered("npsResponses", (0, 1)),
    *numbered("eventCount.Login", (0, 2)),
    *dated("eventLastAt.Login")[:2],
]
METRICS = [*numbered("metrics.m1", (0, 1, 5)), *numbered("metrics.m2", (0, 1)), *numbered("metricChanges.m1", (0, 50))]
HEALTH = [
    leaf("healthLabel", "isAnyOf", ["poor", "concerning"]),
    leaf("healthLabels.h1", "is", "healthy"),
    *numbered("health", (3, 5)),
    *numbered("healthScores.h2", (3, 5)),
]
ACCOUNT += [*FIGURES, *numbered("organization.activeUsers", (0, 1)), *numbered("organization.eventCount.Login", (0, 1))]
ORGANIZATION += FIGURES
USER += [*numbered("npsScore", (0, 5, 9)), happened()]

# By when a rule is judged: what it may ask for was decided before it.
RULES = {
    "accounts": tree(ACCOUNT, [OF_USERS]),
    "users": tree(USER),
    "organizations": tree(ORGANIZATION),
}
SEGMENTS = {
    "accounts": tree([*ACCOUNT, *STATUS, *METRICS, *HEALTH], [OF_USERS]),
    "users": tree([*USER, *USER_STATUS], [OF_ACCOUNTS]),
    "organizations": tree([*ORGANIZATION, *STATUS, *METRICS, *HEALTH], [OF_USERS, OF_ACCOUNTS]),
}
INDICATORS = tree([*ACCOUNT, *STATUS, *METRICS, *HEALTH, leaf("segments", "isSet")], [OF_USERS])
IN_HEALTH = {
    "accounts": tree([*ACCOUNT, *STATUS, *METRICS], [OF_USERS]),
    "organizations": tree([*ORGANIZATION, *STATUS, *METRICS]),
}


@dataclass(frozen=True)
class Kind:
    """One kind of definition: where it is made, what it says, and how many there are at once."""

    path: str
    bodies: Any
    most: int = 3
    key: str = "id"
    fixed: tuple[str, ...] = ()
    """What cannot be changed later."""
    slugs: tuple[str, ...] = ()
    """By what rules name it."""

    def named(self, number):
        named = {"name": f"{self.path} {number}"}
        return named | {"slug": self.slugs[number % len(self.slugs)]} if self.slugs else named

    def changing(self, body):
        return {name: value for name, value in body.items() if name not in self.fixed}


segments = st.sampled_from(list(SEGMENTS)).flatmap(
    lambda subject: st.fixed_dictionaries({"subject": st.just(subject), "filter": SEGMENTS[subject]})
)
indicators = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["risk", "opportunity"]),
        "filter": INDICATORS,
        "enabled": st.sampled_from([True, True, False]),
    }
)
terms = st.one_of(
    st.fixed_dictionaries(
        {
            "events": st.lists(names_of_events, min_size=1, max_size=2, unique=True),
            "count": st.sampled_from(["events", "users", "days"]),
            "days": st.one_of(st.none(), windows),
        },
        optional={"where": st.just({"property": "amount", "op": "greaterThan", "value": 1})},
    ),
    st.fixed_dictionaries({"field": st.sampled_from(["users", "events", "mrr", "traits.seats", "activeUsers"])}),
    st.fixed_dictionaries(
        {"users": st.fixed_dictionaries({"aggregate": st.just("count")}, optional={"where": tree(USER)})}
    ),
    st.integers(0, 3),
)
expressions = terms | st.fixed_dictionaries(
    {
        "op": st.sampled_from(["add", "subtract", "multiply", "divide", "min", "max", "coalesce"]),
        "args": st.lists(terms, min_size=2, max_size=2),
    }
)
metrics = st.fixed_dictionaries(
    {"numerator": expressions, "percent": st.booleans(), "historyDays": st.sampled_from([0, 30])},
    optional={"denominator": expressions},
)
steps = st.fixed_dictionaries(
    {"event": names_of_events}, optional={"where": st.just({"property": "amount", "op": "atLeast", "value": 2})}
)
elements = st.fixed_dictionaries(
    {"create": steps},
    optional={"update": steps, "disable": steps, "instanceProperty": st.sampled_from(["amount", "plan"])},
)


def scores(subject):
    """Health of one kind of record: lines with a filter for some of the states."""
    line = st.fixed_dictionaries(
        {"name": st.just("A line"), "poor": IN_HEALTH[subject]},
        optional={"healthy": IN_HEALTH[subject], "concerning": IN_HEALTH[subject]},
    )
    return st.fixed_dictionaries(
        {
            "subject": st.just(subject),
            "weight": st.sampled_from([0, 1, 2.5]),
            "conditions": st.lists(line, min_size=1, max_size=2),
        }
    )


KINDS = {
    "metrics": Kind("/metrics", metrics, slugs=("m1", "m2")),
    "elements": Kind("/elements", elements, slugs=("e1", "e2")),
    "scores": Kind(
        "/health-scores", scores("accounts") | scores("organizations"), fixed=("subject",), slugs=("h1", "h2")
    ),
    "segments": Kind("/segments", segments, most=5, fixed=("subject",)),
    "indicators": Kind("/indicators", indicators, most=4),
}


def perhaps(strategy):
    return st.one_of(st.none(), strategy)


def _rules(subject):
    rules = {"churned": perhaps(RULES[subject]), "reprocess": st.just(True)}
    if subject != "users":
        rules |= {
            "track": perhaps(st.fixed_dictionaries({"mode": st.just("exclude"), "filter": RULES[subject]})),
            "trial": perhaps(RULES[subject]),
            "subscribed": perhaps(RULES[subject]),
            "keepMrrWhenChurned": st.booleans(),
        }
    return st.tuples(st.just("PUT"), st.just(f"/lifecycle/{subject}"), st.fixed_dictionaries(rules))


trait_map = st.fixed_dictionaries(
    {},
    optional={
        "owner": st.sampled_from([None, "ownerId"]),
        "name": st.sampled_from([["name"], ["plan", "name"]]),
        "mrr": st.sampled_from([["mrr"], ["seats", "mrr"], []]),
        "status": st.sampled_from([["status"], []]),
        "renewal": st.sampled_from([["ends"], []]),
        "trialEnd": st.sampled_from([["trialEnds"], ["ends", "trialEnds"], []]),
        "churn": st.sampled_from([["churnedOn"], []]),
        "joined": st.sampled_from([["createdAt"], []]),
    },
)
settings_ = st.one_of(
    *(_rules(subject) for subject in RULES),
    st.tuples(st.just("PUT"), st.just("/trait-map"), trait_map),
    st.tuples(
        st.just("PATCH"),
        st.just("/workspace"),
        st.fixed_dictionaries({"ownerDefaultPolicy": st.sampled_from(["none", "first_user"])}),
    ),
)


def answers(user):
    """Answers to the question how likely they are to recommend it."""
    score = st.sampled_from([0, 6, 7, 8, 9, 10])
    return st.fixed_dictionaries({"userId": user, "score": score})
