"""Filters as text: every filter can be written, what is written reads back the same, and refusals say where."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.fields import Subject
from app.domain.filters import InvalidFilter, parse
from app.domain.filters.text import parse_text, render_text
from app.domain.filters.text.words import SAID
from app.domain.operators import Op
from tests.domain.trees import ASKED

SEGMENT = "seg_0190f3c2a1b27c3d8e4f5a6b7c8d9e0f"
MEMBER = "mem_0190f3c2a1b27c3d8e4f5a6b7c8d9e0f"


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(asked=ASKED)
def test_what_is_written_reads_back_as_the_same_filter(asked):
    subject, source = asked
    written = render_text(source, subject)

    read = parse_text(written, subject)

    assert parse(read, subject) == parse(source, subject)
    assert render_text(read, subject) == written
    assert "\n" not in written


PIECES = st.sampled_from(
    [
        *("mrr", "name", "users", "traits.plan", 'traits."odd key"', "keyRoles.csm", "organization.mrr", "nope"),
        *("AND", "or", "Not", "(", ")", ",", "all of (", "any of (", "no users", "at least", "where (", "as", "list"),
        *(said for said, _ in SAID),
        *(op.value for op in Op),
        *("event", "no event", "exactly"),
        *("in last", "more than", "days", "ago", "from now", "%", "7", "-1.5", "1e999", "9" * 200, '"x"', '"', "'"),
        *("2026-03-31", "2026-02-30", "2026-03-31T09:00:00Z", SEGMENT, MEMBER, "\\", "\0", "\ud800", "é", "\n", "٣"),
    ]
)


@settings(max_examples=400, deadline=None)
@given(
    text=st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=14).map(" ".join)), subject=st.sampled_from(Subject)
)
def test_any_text_is_read_or_refused(text, subject):
    found, refused = attempt(text, subject)

    if refused is None:
        assert parse(found, subject)
    else:
        (wrong,) = refused.context["errors"]
        assert 1 <= wrong["column"] <= len(text) + 1
        assert refused.detail.startswith(f"Column {wrong['column']}: ")


def attempt(text, subject):
    """The tree, or the refusal."""
    try:
        return parse_text(text, subject), None
    except InvalidFilter as refused:
        return None, refused


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        (
            'mrr > 100 AND owner.lastSeenAt moreThanDaysAgo 7 AND NOT traits.plan in ("free", "trial")',
            {
                "all": [
                    {"field": "mrr", "op": "greaterThan", "value": 100},
                    {"field": "owner.lastSeenAt", "op": "moreThanDaysAgo", "value": 7},
                    {"not": {"field": "traits.plan", "op": "isAnyOf", "value": ["free", "trial"]}},
                ]
            },
        ),
        (
            'status = "trial" or name contains "corp" and mrr >= 1',
            {
                "any": [
                    {"field": "status", "op": "is", "value": "trial"},
                    {
                        "all": [
                            {"field": "name", "op": "contains", "value": "corp"},
                            {"field": "mrr", "op": "atLeast", "value": 1},
                        ]
                    },
                ]
            },
        ),
        (
            "users at least 3 where (lastSeenAt in last 7 days)",
            {
                "related": "users",
                "op": "atLeast",
                "count": 3,
                "where": {"field": "lastSeenAt", "op": "inLastDays", "value": 7},
            },
        ),
        (
            'event "Invoice paid" at least 3 in last 30 days',
            {"event": "Invoice paid", "op": "atLeast", "count": 3, "inLastDays": 30},
        ),
        ("event Login exactly 0 in last 1 day", {"event": "Login", "op": "exactly", "count": 0, "inLastDays": 1}),
        ('NO EVENT "Login" AND event Login none', {"all": [{"event": "Login", "op": "none"}] * 2}),
        (
            'users none OR event "a" at most 2',
            {"any": [{"related": "users", "op": "none"}, {"event": "a", "op": "atMost", "count": 2}]},
        ),
        ("no users", {"related": "users", "op": "none"}),
        ("users none", {"related": "users", "op": "none"}),
        ("users >= 3", {"field": "users", "op": "atLeast", "value": 3}),
        (f"segments has any ({SEGMENT})", {"field": "segments", "op": "isAnyOf", "value": [SEGMENT]}),
        (
            'traits.tags has none ("a", 7)',
            {"field": "traits.tags", "op": "isNoneOf", "value": ["a", 7], "type": "list"},
        ),
        ("renewsAt in next 30 days", {"field": "renewsAt", "op": "inNextDays", "value": 30}),
        ("renewsAt less than 1 day from now", {"field": "renewsAt", "op": "lessThanDaysFromNow", "value": 1}),
        ("renewsAt < 2026-03-31", {"field": "renewsAt", "op": "before", "value": "2026-03-31"}),
        ("csm is me", {"field": "csm", "op": "isMe"}),
        (f"csm is {MEMBER}", {"field": "csm", "op": "is", "value": MEMBER}),
        ("csm is unassigned", {"field": "csm", "op": "isNotSet"}),
        ("mrr between -1.5 and 200", {"field": "mrr", "op": "between", "value": [-1.5, 200]}),
        ("owner.email IS NOT SET", {"field": "owner.email", "op": "isNotSet"}),
        ("traits.seats as number is set", {"field": "traits.seats", "op": "isSet", "type": "number"}),
        (r'traits."odd \"key\".x" = "é\n"', {"field": 'traits.odd "key".x', "op": "is", "value": "é\n"}),
        ("traits.active = true", {"field": "traits.active", "op": "isTrue"}),
        ("status = trial", {"field": "status", "op": "is", "value": "trial"}),
        ("all of ()", {"all": []}),
        ("any of (mrr>1)", {"any": [{"field": "mrr", "op": "greaterThan", "value": 1}]}),
        ("((mrr > 1))", {"field": "mrr", "op": "greaterThan", "value": 1}),
    ],
)
def test_a_line_and_what_it_stands_for(text, tree):
    assert parse_text(text) == tree


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("", 1, "a field"),
        ("mrr >", 6, "the text ends"),
        ("mrr > 1 mrr < 5", 9, "AND, OR or the end"),
        ("(mrr > 1", 9, "`)`"),
        ("mrr ~ 1", 5, "Nothing can begin here"),
        ('name = "x', 8, "has no end"),
        (r'name = "\x"', 8, "escapes"),
        ("name = AND", 8, "a value"),
        ("nope = 1 OR mrr > 1", 1, "no such field"),
        ("mrr > 1 AND (name = x OR status = gone)", 33, "one of: subscribed"),
        ("mrr contains 5", 5, "takes one of"),
        ("lastSeenAt more than 7 days later", 29, "from now"),
        ("users at least x", 16, "a whole number"),
        ("users at least 3 where lastSeenAt is set", 24, "`(`"),
        ("event", 6, "a value"),
        ('event "x"', 10, "how often"),
        ('event "x" at least', 19, "a whole number"),
        ('mrr > 1 OR event "x" at least 3 in last 401 days', 33, "from 1 to 400"),
        ('users at least 3 where (no event "x")', 34, "not per user"),
        ("users at least 3 where (mrr > 1)", 25, "no such field of users"),
        ("traits.n in (1, 2", 18, "`)`"),
        ("(" * 41 + "mrr > 1", 42, "nest at most"),
        ("NOT " * 41 + "mrr > 1", 165, "nest at most"),
        ("mrr > " + "9" * 101, 7, "30 digits"),
    ],
)
def test_refusals_name_the_column_and_what_was_expected(text, column, said):
    with pytest.raises(InvalidFilter, match=r"Column \d+: ") as refused:
        parse_text(text)

    assert refused.value.context["errors"][0]["column"] == column
    assert said in refused.value.detail


def test_a_text_beyond_all_measure_is_refused_unread():
    with pytest.raises(InvalidFilter, match="characters"):
        parse_text("(" * 100_001)
