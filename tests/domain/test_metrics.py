"""Expressions of metrics: what is read, what is refused and where, and how they are said."""

from decimal import Decimal
from fractions import Fraction

import pytest

from app.domain.fields import Subject
from app.domain.metrics import InvalidExpression, read, weight
from app.domain.metrics.meaning import moved, rounded
from app.domain.metrics.words import said

LOGINS = {"events": ["Login"], "days": 30}


def nested(depth):
    found = LOGINS
    for _ in range(depth):
        found = {"op": "add", "args": [found, 1]}
    return found


def understood(numerator, subject=Subject.ACCOUNTS, **more):
    return read({"numerator": numerator, **more}, subject)


def refused(numerator, subject=Subject.ACCOUNTS, **more):
    with pytest.raises(InvalidExpression) as caught:
        understood(numerator, subject, **more)
    return caught.value.context["errors"][0]["pointer"]


def test_operators_nest_five_deep():
    understood(nested(5))
    assert refused(nested(6)) == "#/numerator" + "/args/0" * 6


def test_there_are_fifty_terms_in_all():
    many = {"op": "add", "args": [LOGINS] * 30}
    understood(many, denominator={"op": "add", "args": [LOGINS] * 20})
    assert refused(many, denominator={"op": "add", "args": [LOGINS] * 21}) == "#/denominator/args/20"


@pytest.mark.parametrize(
    ("numerator", "pointer"),
    [
        (None, "#/numerator"),
        ("5", "#/numerator"),
        (True, "#/numerator"),
        ([LOGINS], "#/numerator"),
        ({}, "#/numerator"),
        ({**LOGINS, "field": "mrr"}, "#/numerator"),
        ({**LOGINS, "day": 3}, "#/numerator"),
        ({**LOGINS, "days": 0}, "#/numerator/days"),
        ({**LOGINS, "days": True}, "#/numerator/days"),
        ({**LOGINS, "count": "people"}, "#/numerator/count"),
        ({"events": ["Login", ""]}, "#/numerator/events/1"),
        ({"events": ["a" * 513]}, "#/numerator/events/0"),
        ({"events": ["\ud800"]}, "#/numerator/events/0"),
        ({"events": [f"e{ix}" for ix in range(21)]}, "#/numerator/events"),
        ({"op": "power", "args": [LOGINS]}, "#/numerator/op"),
        ({"op": "add", "args": []}, "#/numerator/args"),
        ({"op": "subtract", "args": [LOGINS] * 3}, "#/numerator/args"),
        ({"op": "add", "args": [LOGINS, 10**400]}, "#/numerator/args/1"),
        ({"op": "add", "args": [LOGINS, float("inf")]}, "#/numerator/args/1"),
        ({"field": 7}, "#/numerator/field"),
        ({"field": "health"}, "#/numerator/field"),
        ({"field": "lastSeenAt"}, "#/numerator/field"),
        ({"users": {"aggregate": "count", "field": "sessions"}}, "#/numerator/users/field"),
        ({"users": {"aggregate": "sum", "field": "email"}}, "#/numerator/users/field"),
        ({"users": {"where": {"related": "accounts", "op": "none"}}}, "#/numerator/users/where"),
        # Which may ask about metrics of their accounts: one would turn the other round for ever.
        ({"users": {"where": {"field": "segments", "op": "isSet"}}}, "#/numerator/users/where"),
    ],
)
def test_every_refusal_points_at_its_part(numerator, pointer):
    assert refused(numerator) == pointer


def test_what_only_one_subject_has_is_refused_for_the_other():
    events = {"field": "events"}
    understood(events)
    assert refused(events, Subject.ORGANIZATIONS) == "#/numerator/field"
    accounts = {"field": "accounts"}
    understood(accounts, Subject.ORGANIZATIONS)
    assert refused(accounts) == "#/numerator/field"


def test_only_windows_can_be_compared_with_those_before():
    assert understood(LOGINS, denominator=7).shifts
    assert not understood({"events": ["Login"]}).shifts
    assert not understood(LOGINS, denominator={"field": "users"}).shifts
    assert understood(LOGINS, denominator={"events": ["Login"], "days": 90}).days == 90
    assert understood({"field": "mrr"}).days == 30


def test_it_is_said_in_words():
    share = {"op": "subtract", "args": [LOGINS, {"events": ["A", "B", "C", "D"], "count": "days"}]}
    seats = {"op": "coalesce", "args": [{"field": "traits.seats"}, 1]}
    assert said(understood(share, denominator=seats, percent=True)) == (
        '(events "Login" in the last 30 days - days with events "A", "B", "C" and 1 more ever)'
        " / coalesce(traits.seats, 1), in percent"
    )
    assert weight(understood(share, denominator=seats)) == 7


@pytest.mark.parametrize(
    ("found", "value"),
    [
        (Fraction(1, 3), Decimal("0.333333")),
        (Fraction(5, 10**7), Decimal("0.000001")),
        (Fraction(-5, 10**7), Decimal("-0.000001")),
        (Fraction(10**15), None),
        (Fraction(10**15 - 1), Decimal(10**15 - 1)),
        (None, None),
    ],
)
def test_values_are_kept_with_six_decimals_and_within_bounds(found, value):
    assert rounded(found) == value


def test_a_change_needs_something_to_start_from():
    assert moved(Decimal(3), Decimal(2)) == 50
    assert moved(Decimal(-1), Decimal(-2)) == 50
    assert moved(Decimal(3), Decimal(0)) is None
    assert moved(Decimal(3), None) is moved(None, Decimal(3)) is None
