"""Every operator with every type it applies to: what is meant and what is not, for three readers of the language."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import ARRAY, Text, bindparam, select

from app.db import filters as sql
from app.domain import filters
from app.domain.fields import OPERATORS, Op, Subject, Type, find
from app.domain.filters import bind, parse
from app.domain.filters.values import list_of
from tests.domain.reference import means

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
DAY, TICK = timedelta(days=1), timedelta(microseconds=1)
ME, OTHER, THIRD = (UUID(int=n) for n in (1, 2, 3))
MEM = [f"mem_{id_.hex}" for id_ in (ME, OTHER)]
USR = [f"usr_{id_.hex}" for id_ in (ME, OTHER)]
SEG = [f"seg_{id_.hex}" for id_ in (ME, OTHER)]
FIELDS = {
    Type.TEXT: "name",
    Type.NUMBER: "mrr",
    Type.DATETIME: "lastSeenAt",
    Type.BOOLEAN: "unconverted",
    Type.SELECT: "owner.source",
    Type.MULTI: "segments",
    Type.PERSON: "csm",
    Type.ID: "owner.id",
    Type.LIST: "traits.tags",
}
WEEK = NOW - 7 * DAY
AHEAD = NOW + 7 * DAY

# type, operator, operand, values that are meant, values that are not; None is a missing value
ROWS = [
    (Type.TEXT, "is", "Acmé", ["ACMÉ", "acmé"], ["acme", "", None]),
    (Type.TEXT, "isNot", "acme", ["acme ", "", None], ["ACME"]),
    (Type.TEXT, "isAnyOf", ["a", "B"], ["A", "b"], ["ab", None]),
    (Type.TEXT, "isNoneOf", ["a", "B"], ["ab", "", None], ["A", "b"]),
    (Type.TEXT, "contains", "%", ["100%", "%"], ["100", None]),
    (Type.TEXT, "doesNotContain", "_B", ["ab", None], ["a_b"]),
    (Type.TEXT, "startsWith", "AC", ["acme", "ac"], ["bac", "a", None]),
    (Type.TEXT, "endsWith", "me", ["acME", "me"], ["mex", None]),
    (Type.TEXT, "isSet", None, ["a", ""], [None]),
    (Type.TEXT, "isNotSet", None, [None], ["a", ""]),
    (Type.NUMBER, "is", 7, ["7", "7.00"], ["7.01", None]),
    (Type.NUMBER, "isNot", 7, ["7.01", None], ["7.0"]),
    (Type.NUMBER, "isAnyOf", [1, 2.5], ["1", "2.50"], ["2", None]),
    (Type.NUMBER, "isNoneOf", [1, 2.5], ["2", None], ["1"]),
    (Type.NUMBER, "greaterThan", 7, ["7.01"], ["7", "-8", None]),
    (Type.NUMBER, "atLeast", 7, ["7", "8"], ["6.99", None]),
    (Type.NUMBER, "lessThan", 7, ["6.99", "-8"], ["7", None]),
    (Type.NUMBER, "atMost", 7, ["7", "-8"], ["7.01", None]),
    (Type.NUMBER, "between", [1, 2], ["1", "1.5", "2"], ["0.99", "2.01", None]),
    (Type.NUMBER, "isSet", None, ["0"], [None]),
    (Type.NUMBER, "isNotSet", None, [None], ["0"]),
    (Type.DATETIME, "before", "2026-03-29", [datetime(2026, 3, 29, tzinfo=UTC) - TICK], [NOW, None]),
    (Type.DATETIME, "after", "2026-03-29", [datetime(2026, 3, 30, tzinfo=UTC)], [NOW, None]),
    (Type.DATETIME, "on", "2026-03-29", [NOW, datetime(2026, 3, 29, tzinfo=UTC)], [NOW - DAY, NOW + DAY, None]),
    (Type.DATETIME, "between", ["2026-03-28", "2026-03-29"], [NOW, NOW - DAY], [NOW + DAY, NOW - 2 * DAY, None]),
    (Type.DATETIME, "moreThanDaysAgo", 7, [WEEK, WEEK - DAY], [WEEK + TICK, NOW, AHEAD, None]),
    (Type.DATETIME, "lessThanDaysAgo", 7, [WEEK + TICK, NOW], [WEEK, NOW + TICK, None]),
    (Type.DATETIME, "inLastDays", 7, [WEEK + TICK, NOW], [WEEK, NOW + TICK, None]),
    (Type.DATETIME, "moreThanDaysFromNow", 7, [AHEAD + TICK], [AHEAD, NOW, None]),
    (Type.DATETIME, "lessThanDaysFromNow", 7, [NOW + TICK, AHEAD], [NOW, AHEAD + TICK, None]),
    (Type.DATETIME, "inNextDays", 7, [NOW + TICK, AHEAD], [NOW, AHEAD + TICK, None]),
    (Type.DATETIME, "isSet", None, [NOW], [None]),
    (Type.DATETIME, "isNotSet", None, [None], [NOW]),
    (Type.BOOLEAN, "isTrue", None, [True], [False, None]),
    (Type.BOOLEAN, "isFalse", None, [False], [True, None]),
    (Type.BOOLEAN, "isSet", None, [True, False], [None]),
    (Type.BOOLEAN, "isNotSet", None, [None], [True, False]),
    (Type.SELECT, "is", "api", ["api"], ["trait", None]),
    (Type.SELECT, "isNot", "api", ["trait", None], ["api"]),
    (Type.SELECT, "isAnyOf", ["api", "trait"], ["api", "trait"], ["manual", None]),
    (Type.SELECT, "isNoneOf", ["api", "trait"], ["manual", None], ["api"]),
    (Type.SELECT, "isSet", None, ["api"], [None]),
    (Type.SELECT, "isNotSet", None, [None], ["api"]),
    (Type.MULTI, "isAnyOf", SEG, [[ME], [OTHER, THIRD]], [[THIRD], [], None]),
    (Type.MULTI, "isNoneOf", SEG, [[THIRD], [], None], [[ME, THIRD]]),
    (Type.MULTI, "isAllOf", SEG, [[OTHER, THIRD, ME]], [[ME], [], None]),
    (Type.MULTI, "isSet", None, [[ME]], [[], None]),
    (Type.MULTI, "isNotSet", None, [[], None], [[ME]]),
    (Type.PERSON, "is", MEM[0], [ME], [OTHER, None]),
    (Type.PERSON, "isNot", MEM[0], [OTHER, None], [ME]),
    (Type.PERSON, "isAnyOf", MEM, [ME, OTHER], [THIRD, None]),
    (Type.PERSON, "isNoneOf", MEM, [THIRD, None], [ME]),
    (Type.PERSON, "isMe", None, [ME], [OTHER, None]),
    (Type.PERSON, "isSet", None, [ME], [None]),
    (Type.PERSON, "isNotSet", None, [None], [ME]),
    (Type.ID, "is", USR[0], [ME], [OTHER, None]),
    (Type.ID, "isNot", USR[0], [OTHER, None], [ME]),
    (Type.ID, "isAnyOf", USR, [ME, OTHER], [THIRD, None]),
    (Type.ID, "isNoneOf", USR, [THIRD, None], [ME]),
    (Type.LIST, "isAnyOf", ["A", 7], [["a"], ["b", 7.0], "A"], [["b"], [], None, {"a": 1}]),
    (Type.LIST, "isNoneOf", ["A", 7], [["b"], [], None], [["a"], 7]),
    (Type.LIST, "isAllOf", ["A", 7], [["b", "a", 7]], [["a"], [], None]),
    (Type.LIST, "isSet", None, [["a"], 7, [""]], [[], [None], {}, None]),
    (Type.LIST, "isNotSet", None, [[], [None], {}, None], [["a"]]),
]


def test_the_table_is_complete():
    assert {(type_, op) for type_, op, *_ in ROWS} == {
        (type_, op) for type_, known in OPERATORS.items() if type_ is not Type.TRAIT for op in known
    }
    assert {op for known in OPERATORS.values() for op in known} == set(Op) - {Op.INCREASED_BY, Op.DECREASED_BY}


@pytest.fixture(scope="session")
async def judge(database):
    """Asks PostgreSQL whether a condition holds for a value that is given with the question."""

    async def ask(tree, value):
        (leaf,) = filters.leaves(tree)
        kind = ARRAY(Text) if leaf.reading is Type.LIST else sql.value(leaf.fact, leaf.reading).type
        found = bindparam(None, value, type_=kind)
        async with database.transaction(ME) as db:
            return await db.scalar(select(sql.holds(tree, NOW, of=lambda _fact, _reading: found)))

    return ask


@pytest.mark.parametrize(("type_", "op", "operand", "meant", "others"), ROWS, ids=lambda part: str(part)[:20])
async def test_what_is_meant(judge, type_, op, operand, meant, others):
    fact = find(FIELDS[type_])
    source = {"field": fact.path, "op": op, "value": operand} | ({"type": "list"} if fact.key else {})
    tree = bind(parse(source), ME)
    for expected, values in ((True, meant), (False, others)):
        for given in values:
            value = Decimal(given) if type_ is Type.NUMBER and given is not None else given
            record = {"traits": {fact.key: value}} if fact.key else {"traits": {}, fact.path: value}
            assert filters.holds(tree, record, NOW) is expected, given
            assert means(source, Subject.ACCOUNTS, record, NOW, ME) is expected, given
            listed = list_of(value) if type_ is Type.LIST else value
            assert await judge(tree, listed if type_ is not Type.LIST or listed is None else sorted(listed)) is expected
