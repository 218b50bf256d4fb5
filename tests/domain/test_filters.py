"""What the filter language means, in tables; the database engine is held equal to it in tests/db/test_filters.py."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from app.domain.fields import CATALOGUES, OPERATORS, Subject, UnknownFact, find
from app.domain.filters import InvalidFilter, explain, holds, next_change, parse
from app.domain.filters.values import fold, instant_of, number_of

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
    ],
)
def test_what_cannot_be_understood_is_pointed_at(source, pointer):
    with pytest.raises(InvalidFilter) as refused:
        parse(source)

    assert refused.value.context["errors"][0]["pointer"] == f"#/filter{pointer}"
    assert refused.value.detail.encode()


@pytest.mark.parametrize("source", [nested(8), {"all": [LEAF] * 100}])
def test_limits_are_reachable(source):
    assert parse(source)


def test_an_operator_that_compares_needs_something_to_compare_with():
    for fact in CATALOGUES[Subject.ACCOUNTS].values():
        for op in OPERATORS[fact.type]:
            if op not in ("isSet", "isNotSet"):
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
