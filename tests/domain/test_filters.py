"""What the filter language means, in tables; the database engine is held equal to it in tests/db/test_filters.py."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest

from app.domain.fields import CATALOGUES, OPERATORS, Subject, UnknownFact, find
from app.domain.filters import InvalidFilter, NeedsMember, bind, explain, holds, next_change, parse
from app.domain.filters.values import FIRST, LAST, fold, instant_of, number_of
from app.domain.operators import BARE

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)
EMPTY = dict.fromkeys(CATALOGUES[Subject.ACCOUNTS]) | {"traits": {}}


def answer(condition, now=NOW, traits=None, **facts):
    return holds(parse(condition), EMPTY | facts | {"traits": traits or {}}, now)


@pytest.mark.parametrize(
    ("op", "value", "name", "expected"),
    [
        ("is", "acme", "ACME", True),
        ("is", "acme", None, False),
        ("isNot", "acme", "Acme", False),
        ("isNot", "acme", None, True),
        ("isNot", "acme", "Other", True),
        ("isAnyOf", ["x", "Acme"], "acme", True),
        ("isNoneOf", ["x", "acme"], "Acme", False),
        ("isNoneOf", ["x"], None, True),
        ("contains", "CM", "acme", True),
        ("contains", "%", "acme", False),
        ("contains", "%", "100%", True),
        ("contains", "_", "acme", False),
        ("doesNotContain", "x", None, True),
        ("doesNotContain", "cm", "Acme", False),
        ("startsWith", "AC", "acme", True),
        ("endsWith", "ME", "acme", True),
        ("isSet", None, "", True),
        ("isSet", None, None, False),
        ("isNotSet", None, None, True),
    ],
)
def test_text(op, value, name, expected):
    assert answer({"field": "name", "op": op, "value": value}, name=name) is expected


@pytest.mark.parametrize(
    ("op", "value", "mrr", "expected"),
    [
        ("is", 100, Decimal("100.00"), True),
        ("isNot", 100, None, True),
        ("greaterThan", 100, Decimal(100), False),
        ("greaterThan", 100, Decimal("100.01"), True),
        ("atLeast", 100, Decimal(100), True),
        ("lessThan", 100, None, False),
        ("atMost", 100.5, Decimal("100.5"), True),
        ("between", [1, 2], Decimal(2), True),
        ("between", [2, 1], Decimal(2), False),
        ("isAnyOf", [1, 2.5], Decimal("2.5"), True),
    ],
)
def test_numbers(op, value, mrr, expected):
    assert answer({"field": "mrr", "op": op, "value": value}, mrr=mrr) is expected


@pytest.mark.parametrize(
    ("op", "value", "at", "expected"),
    [
        ("before", "2026-03-29", datetime(2026, 3, 28, 23, 59, 59, 999999, tzinfo=UTC), True),
        ("before", "2026-03-29", datetime(2026, 3, 29, tzinfo=UTC), False),
        ("after", "2026-03-29", datetime(2026, 3, 29, 23, tzinfo=UTC), False),
        ("after", "2026-03-29", datetime(2026, 3, 30, tzinfo=UTC), True),
        ("after", "2026-03-29T01:30:00Z", NOW, False),
        ("after", "2026-03-29T03:30:00+02:00", NOW + TICK, True),
        ("on", "2026-03-29", NOW, True),
        ("on", "2026-03-28", NOW, False),
        ("between", ["2026-03-28", "2026-03-29"], datetime(2026, 3, 29, 23, 59, tzinfo=UTC), True),
        ("between", ["2026-03-28", "2026-03-29"], datetime(2026, 3, 30, tzinfo=UTC), False),
        ("moreThanDaysAgo", 7, NOW - 7 * DAY, True),
        ("moreThanDaysAgo", 7, NOW - 7 * DAY + TICK, False),
        ("moreThanDaysAgo", 7, None, False),
        ("lessThanDaysAgo", 7, NOW - 7 * DAY, False),
        ("lessThanDaysAgo", 7, NOW - 7 * DAY + TICK, True),
        ("lessThanDaysAgo", 7, NOW, True),
        ("inLastDays", 7, NOW + TICK, False),
        ("inNextDays", 7, NOW, False),
        ("inNextDays", 7, NOW + 7 * DAY, True),
        ("lessThanDaysFromNow", 7, NOW + 7 * DAY + TICK, False),
        ("moreThanDaysFromNow", 7, NOW + 7 * DAY, False),
        ("moreThanDaysFromNow", 7, NOW + 7 * DAY + TICK, True),
    ],
)
def test_times(op, value, at, expected):
    assert answer({"field": "lastSeenAt", "op": op, "value": value}, lastSeenAt=at) is expected


@pytest.mark.parametrize(
    ("op", "changes"),
    [
        ("moreThanDaysAgo", [7]),
        ("lessThanDaysAgo", [0, 7]),
        ("inLastDays", [0, 7]),
        ("inNextDays", [-7, 0]),
        ("lessThanDaysFromNow", [-7, 0]),
        ("moreThanDaysFromNow", [-7]),
    ],
)
def test_the_clock_changes_an_answer_at_these_instants_and_no_others(op, changes):
    at = NOW
    tree, facts = parse({"field": "lastSeenAt", "op": op, "value": 7}), EMPTY | {"lastSeenAt": at}
    now, seen = NOW - 30 * DAY, []
    while (change := next_change(tree, facts, now)) is not None:
        assert holds(tree, facts, change) is not holds(tree, facts, change - TICK)
        seen.append((change - at) / DAY)
        now = change
    assert seen == changes


def test_the_next_change_of_a_tree_is_the_earliest_of_its_conditions():
    tree = parse(
        {
            "any": [
                {"field": "lastSeenAt", "op": "moreThanDaysAgo", "value": 7},
                {"not": {"field": "owner.lastSeenAt", "op": "lessThanDaysAgo", "value": 3}},
                {"field": "mrr", "op": "greaterThan", "value": 1},
            ]
        }
    )
    facts = EMPTY | {"lastSeenAt": NOW - 5 * DAY, "owner.lastSeenAt": NOW - 2 * DAY}

    assert next_change(tree, facts, NOW) == NOW + DAY
    assert next_change(tree, facts, NOW + DAY) == NOW + 2 * DAY
    assert next_change(tree, facts, NOW + 2 * DAY) is None


@pytest.mark.parametrize(
    ("condition", "plan", "expected"),
    [
        ({"op": "is", "value": "7"}, 7, True),
        ({"op": "is", "value": 7}, "7.0", True),
        ({"op": "is", "value": 7}, True, False),
        ({"op": "greaterThan", "value": 6}, "seven", False),
        ({"op": "isTrue"}, "TRUE", True),
        ({"op": "isFalse"}, None, False),
        ({"op": "before", "value": "2026-01-01"}, "2025-12-31T23:59:59Z", True),
        ({"op": "before", "value": "2026-01-01"}, "last year", False),
        ({"op": "isSet"}, [], True),
        ({"op": "isSet", "type": "number"}, "seven", False),
        ({"op": "isNotSet", "type": "number"}, "seven", True),
        ({"op": "between", "value": [1, 3]}, "2", True),
        ({"op": "between", "value": ["2026-01-01", "2026-02-01"]}, "2026-02-01T12:00Z", True),
        ({"op": "isAnyOf", "value": [1, 2]}, "2", True),
        ({"op": "isAnyOf", "value": ["Pro"]}, "pro", True),
    ],
)
def test_traits_are_read_as_the_condition_asks(condition, plan, expected):
    assert answer({"field": "traits.plan", **condition}, traits={"plan": plan}) is expected


SEG = [f"seg_{n:032x}" for n in range(3)]
MEM = f"mem_{7:032x}"


@pytest.mark.parametrize(
    ("op", "value", "segments", "expected"),
    [
        ("isAnyOf", SEG[:2], [1, 2], True),
        ("isAnyOf", SEG[:2], [2], False),
        ("isAnyOf", SEG[:1], [], False),
        ("isNoneOf", SEG[:1], [], True),
        ("isNoneOf", SEG[:2], [1], False),
        ("isAllOf", SEG[:2], [0, 1, 2], True),
        ("isAllOf", SEG[:2], [0], False),
        ("isSet", None, [0], True),
        ("isSet", None, [], False),
        ("isNotSet", None, [], True),
    ],
)
def test_sets(op, value, segments, expected):
    condition = {"field": "segments", "op": op, "value": value}
    assert answer(condition, segments=[UUID(int=n) for n in segments]) is expected


@pytest.mark.parametrize(
    ("op", "value", "tags", "expected"),
    [
        ("isAnyOf", ["Beta", "x"], ["alpha", "BETA"], True),
        ("isAnyOf", [7], [7.0, "x"], True),
        ("isAnyOf", ["7"], [7], True),
        ("isAnyOf", [7], ["7.0"], False),
        ("isAnyOf", ["beta"], "Beta", True),
        ("isAnyOf", ["true"], [True], True),
        ("isAnyOf", ["a"], {"a": 1}, False),
        ("isAnyOf", ["a"], [["a"]], False),
        ("isNoneOf", ["a"], None, True),
        ("isNoneOf", ["a"], ["b"], True),
        ("isAllOf", ["a", "b"], ["b", "c", "A"], True),
        ("isAllOf", ["a", "b"], ["a"], False),
        ("isSet", None, [], False),
        ("isSet", None, [None, {}], False),
        ("isSet", None, [""], True),
        ("isNotSet", None, "x", False),
    ],
)
def test_lists_in_traits(op, value, tags, expected):
    condition = {"field": "traits.tags", "op": op, "value": value, "type": "list"}
    assert answer(condition, traits={"tags": tags}) is expected


def test_an_account_without_an_organization_says_nothing_of_it():
    told = {"organization.status": "trial", "organization.traits.plan": "Pro"}
    status = {"field": "organization.status", "op": "is", "value": "trial"}
    plan = {"field": "organization.traits.plan", "op": "is", "value": "pro"}

    assert answer({"all": [status, plan]}, **told)
    assert not answer({"any": [status, plan]})


@pytest.mark.parametrize(
    ("op", "count", "users", "expected"),
    [
        ("atLeast", 2, [1, 9, 2], True),
        ("atLeast", 2, [1, 9], False),
        ("atLeast", 0, [], True),
        ("atMost", 1, [1, 9], True),
        ("atMost", 1, [1, 2], False),
        ("exactly", 1, [9, 1], True),
        ("exactly", 1, [9], False),
        ("none", None, [9], True),
        ("none", None, [1], False),
    ],
)
def test_related_records_are_counted(op, count, users, expected):
    where = {"field": "lastSeenAt", "op": "inLastDays", "value": 7}
    condition = {"related": "users", "op": op, "where": where} | ({} if count is None else {"count": count})
    related = {"users": [{"traits": {}, "lastSeenAt": NOW - days * DAY} for days in users]}

    assert answer(condition, related=related) is expected
    assert answer({"not": condition}, related=related) is not expected


def test_the_clock_of_related_records_is_theirs():
    tree = parse({"related": "users", "op": "none", "where": {"field": "lastSeenAt", "op": "inLastDays", "value": 7}})
    facts = EMPTY | {"related": {"users": [{"traits": {}, "lastSeenAt": NOW - days * DAY} for days in (1, 5, 9)]}}

    assert next_change(tree, facts, NOW) == NOW + 2 * DAY
    assert next_change(tree, facts, NOW + 6 * DAY) is None


CHANGES = [(NOW - 40 * DAY, Decimal(100)), (NOW - 20 * DAY, Decimal(150)), (NOW - 5 * DAY, Decimal(120))]


@pytest.mark.parametrize(
    ("op", "by", "unit", "days", "expected"),
    [
        ("increasedBy", 20, "percent", 30, True),
        ("increasedBy", 20.1, "percent", 30, False),
        ("increasedBy", 20, "number", 30, True),
        ("decreasedBy", 20, "percent", 30, False),
        ("decreasedBy", 20, "percent", 10, True),
        ("decreasedBy", 30.5, "number", 10, False),
        ("increasedBy", 20, "percent", 365, True),
        ("increasedBy", 1, "number", 1, False),
    ],
)
def test_numbers_that_moved(op, by, unit, days, expected):
    condition = {"field": "mrr", "op": op, "value": {"by": by, "unit": unit, "days": days}}
    assert answer(condition, mrr=Decimal(120), history={"mrr": CHANGES}) is expected
    assert not answer(condition, mrr=None, history={"mrr": CHANGES})
    assert not answer(condition, mrr=Decimal(120))


def test_a_move_ends_when_it_is_older_than_the_days():
    tree = parse({"field": "mrr", "op": "increasedBy", "value": {"by": 20, "unit": "percent", "days": 30}})
    facts = EMPTY | {"mrr": Decimal(120), "history": {"mrr": CHANGES}}

    change = next_change(tree, facts, NOW)

    assert change == NOW + 10 * DAY
    assert holds(tree, facts, change - TICK)
    assert not holds(tree, facts, change)


ME = UUID(int=7)
MINE = {"field": "csm", "op": "isMe"}


def test_me_is_whoever_asks():
    everywhere = {
        "any": [MINE, {"field": "roleHolders", "op": "isMe"}, {"not": {"field": "keyRoles.lead", "op": "isMe"}}]
    }
    named = {
        "any": [
            {"field": "csm", "op": "is", "value": MEM},
            {"field": "roleHolders", "op": "isAnyOf", "value": [MEM]},
            {"not": {"field": "keyRoles.lead", "op": "is", "value": MEM}},
        ]
    }
    related = {"related": "accounts", "op": "none", "where": MINE}

    assert bind(parse(everywhere), ME) == parse(named)
    assert bind(parse(related, Subject.USERS), ME) == parse({**related, "where": named["any"][0]}, Subject.USERS)


@pytest.mark.parametrize("source", [MINE, {"not": MINE}, {"all": [{"any": [MINE]}]}])
def test_nobody_is_me_to_a_rule(source):
    with pytest.raises(NeedsMember):
        bind(parse(source), None)
    assert answer(MINE, csm=ME) is False


def test_groups():
    yes, no = {"field": "name", "op": "isNotSet"}, {"field": "name", "op": "isSet"}

    assert answer({"all": [yes, yes]})
    assert not answer({"all": [yes, no]})
    assert answer({"any": [no, yes]})
    assert answer({"not": no})
    assert answer({"all": []})
    assert not answer({"any": []})


def nested(depth):
    tree = {"field": "name", "op": "isSet"}
    for _ in range(depth - 1):
        tree = {"not": tree}
    return tree


LEAF = {"field": "name", "op": "isSet"}


def entwined(levels):
    """Conditions on related records inside one another."""
    names = ["users", "accounts"] * levels
    tree = LEAF
    for name in reversed(names[:levels]):
        tree = {"related": name, "op": "none", "where": tree}
    return tree


def wide():
    """Conditions inside conditions on related records count like all others."""
    return {"all": [{"all": [LEAF] * 50}, {"related": "users", "op": "none", "where": {"all": [LEAF] * 60}}]}


@pytest.mark.parametrize(
    ("source", "pointer"),
    [
        (None, ""),
        ([], ""),
        ("name", ""),
        ({}, ""),
        ({"all": [LEAF], "any": [LEAF]}, ""),
        ({"all": {}}, "/all"),
        ({"all": [LEAF, 7]}, "/all/1"),
        ({"any": [{"all": [{"not": None}]}]}, "/any/0/all/0/not"),
        (nested(9), "/not" * 8),
        ({"all": [LEAF] * 101}, "/all"),
        ({"any": [{"all": [LEAF] * 60}, {"all": [LEAF] * 60}]}, "/any/1/all/40"),
        ({"field": "name"}, ""),
        ({"field": "name", "op": "isSet", "extra": 1}, ""),
        ({"field": 7, "op": "isSet"}, "/field"),
        ({"field": "nope", "op": "isSet"}, "/field"),
        ({"field": "traits.", "op": "isSet"}, "/field"),
        ({"field": "traits.a\0b", "op": "isSet"}, "/field"),
        ({"field": "traits.\ud800", "op": "isSet"}, "/field"),
        ({"field": "name", "op": "matches", "value": "a"}, "/op"),
        ({"field": "name", "op": ["is"], "value": "a"}, "/op"),
        ({"field": "mrr", "op": "contains", "value": "a"}, "/op"),
        ({"field": "id", "op": "isSet"}, "/op"),
        ({"field": "name", "op": "is"}, "/value"),
        ({"field": "name", "op": "is", "value": ""}, "/value"),
        ({"field": "name", "op": "is", "value": 7}, "/value"),
        ({"field": "name", "op": "is", "value": "x" * 1025}, "/value"),
        ({"field": "name", "op": "is", "value": "é" * 513}, "/value"),
        ({"field": "name", "op": "is", "value": "a\0"}, "/value"),
        ({"field": "name", "op": "is", "value": "\udfff"}, "/value"),
        ({"field": "name", "op": "isSet", "value": True}, "/value"),
        ({"field": "name", "op": "isAnyOf", "value": "x"}, "/value"),
        ({"field": "name", "op": "isAnyOf", "value": []}, "/value"),
        ({"field": "name", "op": "isAnyOf", "value": ["x"] * 201}, "/value"),
        ({"field": "name", "op": "isAnyOf", "value": ["x", 7]}, "/value/1"),
        ({"field": "mrr", "op": "is", "value": True}, "/value"),
        ({"field": "mrr", "op": "is", "value": float("nan")}, "/value"),
        ({"field": "mrr", "op": "is", "value": 1e31}, "/value"),
        ({"field": "mrr", "op": "between", "value": [1]}, "/value"),
        ({"field": "mrr", "op": "between", "value": [1, "x"]}, "/value/1"),
        ({"field": "mrr", "op": "is", "value": 1, "type": "text"}, "/type"),
        ({"field": "status", "op": "is", "value": "gone"}, "/value"),
        ({"field": "status", "op": "is", "value": []}, "/value"),
        ({"field": "csm", "op": "is", "value": "acc_" + "0" * 32}, "/value"),
        ({"field": "lastSeenAt", "op": "before", "value": "2026-03-29T01:30:00"}, "/value"),
        ({"field": "lastSeenAt", "op": "before", "value": "9999-01-01"}, "/value"),
        ({"field": "lastSeenAt", "op": "before", "value": 7}, "/value"),
        ({"field": "lastSeenAt", "op": "on", "value": "2026-03-29T01:30:00Z"}, "/value"),
        ({"field": "lastSeenAt", "op": "on", "value": "2026-02-30"}, "/value"),
        ({"field": "lastSeenAt", "op": "moreThanDaysAgo", "value": 1.5}, "/value"),
        ({"field": "lastSeenAt", "op": "moreThanDaysAgo", "value": -1}, "/value"),
        ({"field": "lastSeenAt", "op": "moreThanDaysAgo", "value": 36501}, "/value"),
        ({"field": "lastSeenAt", "op": "moreThanDaysAgo", "value": True}, "/value"),
        ({"field": "traits.x", "op": "is", "value": "a", "type": "select"}, "/type"),
        ({"field": "traits.x", "op": "isTrue", "type": "number"}, "/op"),
        ({"field": "traits.x", "op": "is", "value": "a", "type": "number"}, "/value"),
        ({"field": "traits.x", "op": "is", "value": True}, "/value"),
        ({"field": "traits.x", "op": "is", "value": None}, "/value"),
        ({"field": "traits.x", "op": "isMe"}, "/op"),
        ({"field": "segments", "op": "is", "value": SEG[0]}, "/op"),
        ({"field": "segments", "op": "isMe"}, "/op"),
        ({"field": "segments", "op": "isAnyOf", "value": [SEG[0], MEM]}, "/value/1"),
        ({"field": "keyRoles.Lead", "op": "isSet"}, "/field"),
        ({"field": f"keyRoles.{'x' * 41}", "op": "isSet"}, "/field"),
        ({"field": "organization.traits.", "op": "isSet"}, "/field"),
        ({"related": "users"}, ""),
        ({"related": "users", "op": "atLeast", "count": 1, "value": 1}, ""),
        ({"related": "deals", "op": "none"}, "/related"),
        ({"related": ["users"], "op": "none"}, "/related"),
        ({"related": "users", "op": "is"}, "/op"),
        ({"related": "users", "op": ["none"]}, "/op"),
        ({"related": "users", "op": "none", "count": 0}, "/count"),
        ({"related": "users", "op": "atLeast"}, "/count"),
        ({"related": "users", "op": "atLeast", "count": 1.0}, "/count"),
        ({"related": "users", "op": "atLeast", "count": -1}, "/count"),
        ({"related": "users", "op": "none", "where": []}, "/where"),
        ({"all": [{"related": "users", "op": "none", "where": {"field": "mrr", "op": "isSet"}}]}, "/all/0/where/field"),
        (wide(), "/all/1/where/all/49"),
        (entwined(3), "/where/where/related"),
        ({"event": "x"}, ""),
        ({"event": "x", "op": "atLeast", "count": 1, "where": {"all": []}}, ""),
        ({"event": "", "op": "none"}, "/event"),
        ({"event": 7, "op": "none"}, "/event"),
        ({"event": "\0", "op": "none"}, "/event"),
        ({"event": "é" * 257, "op": "none"}, "/event"),
        ({"event": "x", "op": "is", "count": 1}, "/op"),
        ({"event": "x", "op": "none", "count": 1}, "/count"),
        ({"event": "x", "op": "atLeast"}, "/count"),
        ({"event": "x", "op": "atMost", "count": -1}, "/count"),
        ({"event": "x", "op": "exactly", "count": True}, "/count"),
        ({"event": "x", "op": "none", "inLastDays": 0}, "/inLastDays"),
        ({"event": "x", "op": "none", "inLastDays": 401}, "/inLastDays"),
        ({"event": "x", "op": "none", "inLastDays": 1.0}, "/inLastDays"),
        ({"related": "users", "op": "none", "where": {"event": "x", "op": "none"}}, "/where/event"),
        ({"field": "mrr", "op": "increasedBy", "value": 20}, "/value"),
        ({"field": "mrr", "op": "increasedBy", "value": {"by": 20, "days": 30}}, "/value"),
        ({"field": "mrr", "op": "increasedBy", "value": {"by": 0, "unit": "percent", "days": 30}}, "/value/by"),
        ({"field": "mrr", "op": "increasedBy", "value": {"by": "x", "unit": "percent", "days": 30}}, "/value/by"),
        ({"field": "mrr", "op": "increasedBy", "value": {"by": 1, "unit": "%", "days": 30}}, "/value/unit"),
        ({"field": "mrr", "op": "increasedBy", "value": {"by": 1, "unit": "number", "days": 1.5}}, "/value/days"),
        ({"field": "users", "op": "increasedBy", "value": {"by": 1, "unit": "number", "days": 1}}, "/op"),
        ({"field": "traits.x", "op": "increasedBy", "value": {"by": 1, "unit": "number", "days": 1}}, "/op"),
    ],
)
def test_what_cannot_be_understood_is_pointed_at(source, pointer):
    with pytest.raises(InvalidFilter) as refused:
        parse(source)

    assert refused.value.context["errors"][0]["pointer"] == f"#/filter{pointer}"
    assert refused.value.detail.encode()


@pytest.mark.parametrize("source", [nested(8), {"all": [LEAF] * 100}, entwined(2)])
def test_limits_are_reachable(source):
    assert parse(source)


def test_an_operator_that_compares_needs_something_to_compare_with():
    for fact in CATALOGUES[Subject.ACCOUNTS].values():
        for op in OPERATORS[fact.type]:
            if op not in BARE:
                with pytest.raises(InvalidFilter, match="needs a value"):
                    parse({"field": fact.path, "op": str(op)})


def test_it_explains_what_each_condition_saw():
    tree = parse(
        {
            "any": [
                {"field": "mrr", "op": "greaterThan", "value": 100},
                {"not": {"field": "traits.plan", "op": "is", "value": "Pro"}},
                {"field": "lastSeenAt", "op": "moreThanDaysAgo", "value": 7},
            ]
        }
    )
    seen = NOW - 8 * DAY + timedelta(microseconds=5)

    found = explain(tree, EMPTY | {"mrr": Decimal("99.5"), "lastSeenAt": seen, "traits": {"plan": "pro"}}, NOW)

    assert [(one.label, one.value, one.saw, one.holds) for one in found] == [
        ("MRR", 100, 99.5, False),
        ("Trait: plan", "Pro", "pro", True),
        ("Last seen", 7, "2026-03-21T01:30:00.000005Z", True),
    ]


SEEN = [(date(2026, 3, 29), 1), (date(2026, 3, 27), 2), (date(2026, 3, 1), 5)]


@pytest.mark.parametrize(
    ("op", "count", "days", "expected", "changes"),
    [
        ("atLeast", 8, 30, True, "2026-03-31"),
        ("atLeast", 3, 30, True, "2026-04-26"),
        ("atLeast", 1, 30, True, "2026-04-28"),
        ("atLeast", 9, 30, False, None),
        ("atLeast", 0, 30, True, None),
        ("atLeast", 8, 28, False, None),
        ("atLeast", 3, 3, True, "2026-03-30"),
        ("atLeast", 8, None, True, None),
        ("atMost", 8, 30, True, None),
        ("atMost", 7, 30, False, "2026-03-31"),
        ("atMost", 2, 30, False, "2026-04-26"),
        ("exactly", 8, 30, True, "2026-03-31"),
        ("exactly", 3, 30, False, "2026-03-31"),
        ("exactly", 1, 1, True, "2026-03-30"),
        ("exactly", 0, 30, False, "2026-04-28"),
        ("none", None, 30, False, "2026-04-28"),
        ("none", None, None, False, None),
    ],
)
def test_events_leave_their_window_at_midnight(op, count, days, expected, changes):
    counted = {"count": count} if count is not None else {}
    tree = parse({"event": "Login", "op": op, **counted, "inLastDays": days})
    facts = EMPTY | {"days": {"Login": SEEN}}
    at = changes and datetime.fromisoformat(changes).replace(tzinfo=UTC)

    assert holds(tree, facts, NOW) is expected
    assert next_change(tree, facts, NOW) == at
    if at is not None:
        assert holds(tree, facts, at - TICK) is expected
        assert holds(tree, facts, at) is not expected


def test_a_day_of_events_is_one_of_utc_wherever_the_clock_hangs():
    tree = parse({"event": "Login", "op": "atLeast", "count": 1, "inLastDays": 1})
    tokyo = timezone(timedelta(hours=9))
    facts = EMPTY | {"days": {"Login": [(date(2026, 3, 28), 1)]}}

    assert holds(tree, facts, datetime(2026, 3, 29, 8, 59, tzinfo=tokyo))
    assert not holds(tree, facts, datetime(2026, 3, 29, 9, tzinfo=tokyo))


def test_a_condition_on_events_tells_how_many_there_were():
    tree = parse({"event": "Login", "op": "atLeast", "count": 9, "inLastDays": 30})
    (found,) = explain(tree, EMPTY | {"days": {"Login": SEEN}}, NOW)

    assert (found.field, found.label, found.op, found.saw, found.holds) == (
        "event",
        "Event: Login",
        "atLeast",
        8,
        False,
    )
    assert found.value == {"event": "Login", "count": 9, "inLastDays": 30}


@pytest.mark.parametrize(
    ("text", "folded"), [("ÀB", "àb"), ("İ", "i"), ("ΟΔΟΣ", "οδοσ"), ("ß", "ß"), ("Ǆ", "ǆ"), ("straße", "straße")]
)
def test_text_is_folded_character_by_character(text, folded):
    assert fold(text) == folded
    assert len(fold(text)) == len(text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-03-29", datetime(2026, 3, 29, tzinfo=UTC)),
        ("2026-03-29T24:00:00Z", datetime(2026, 3, 30, tzinfo=UTC)),
        ("2026-03-29T23:59:60Z", datetime(2026, 3, 30, tzinfo=UTC)),
        ("2026-03-29 01:30+0530", datetime(2026, 3, 28, 20, tzinfo=UTC)),
        ("2026-02-29", None),
        ("2026-03-29T25:00", None),
        ("2026-03-29T01:30+16:00", None),
        (1774747800, None),
        (None, None),
        ("9999-12-31T23:59:59-10:00", LAST),
        ("9999-12-31T24:00:00Z", LAST),
        ("9999-12-31T23:59:59.9999999Z", LAST),
        ("0001-01-01T00:00:00+10:00", FIRST),
    ],
)
def test_instants(value, expected):
    assert instant_of(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.5, Decimal("1.5")),
        (" -7 ", Decimal(-7)),
        ("1e5", None),
        ("", None),
        (True, None),
        ("\u0667", None),
        ([], None),
    ],
)
def test_numbers_in_traits(value, expected):
    assert number_of(value) == expected


def test_labels_are_those_of_the_product():
    labels = {fact.label for fact in CATALOGUES[Subject.ACCOUNTS].values()}
    columns = ("Email", "Join date", "Last seen", "Sessions", "Last received message", "Last sent message")
    assert {f"Owner: {column}" for column in columns} <= labels


def test_a_path_nobody_knows():
    with pytest.raises(UnknownFact):
        find("owner.shoeSize")
