"""Who is in a segment: links count, removals by hand hold automations back, rules ask only about what is decided."""

from datetime import UTC, datetime

import pytest

from app.domain.fields import Subject
from app.domain.filters import InvalidFilter, NeedsMember
from app.domain.segments import (
    EmptySegmentFilter,
    Exclusion,
    Link,
    Membership,
    State,
    condition,
    held_back,
    is_automation,
    is_member,
)

ONE, TWO = "playbook:" + "1" * 32, "playbook:" + "2" * 32
NOW = datetime(2026, 3, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    ("links", "excluded", "member"),
    [
        ([], None, False),
        (["rule"], None, True),
        ([ONE], None, True),
        (["rule", ONE], None, True),
        (["manual"], None, True),
        (["api"], None, True),
        (["rule"], ["rule"], False),
        ([ONE], ["rule", ONE], False),
        (["rule", ONE], ["rule", ONE], False),
        ([ONE, TWO], ["rule", ONE], True),  # a new automation may bring it back
        ([TWO], ["rule"], True),
        ([], ["rule"], False),
        (["manual", "rule"], ["rule"], True),  # added by hand after it was removed
        (["api", ONE], ["rule", ONE], True),
    ],
)
def test_who_is_a_member(links, excluded, member):
    assert is_member(links, excluded or ()) is member
    exclusion = None if excluded is None else Exclusion(tuple(excluded), NOW, None)
    assert Membership(tuple(Link(source, NOW, None) for source in links), exclusion, None).member is member


@pytest.mark.parametrize(
    ("links", "before", "held"),
    [
        ([], [], ["rule"]),
        (["manual"], [], ["rule"]),
        ([ONE, "rule"], [], [ONE, "rule"]),
        ([TWO], ["rule", ONE], [ONE, TWO, "rule"]),
    ],
)
def test_what_a_removal_by_hand_holds_back(links, before, held):
    assert held_back(links, before) == held


@pytest.mark.parametrize(
    ("links", "excluded", "state"),
    [
        ([], False, State.AUTOMATIC),
        (["rule", ONE], False, State.AUTOMATIC),
        (["manual", "rule"], False, State.INCLUDED),
        (["api"], False, State.INCLUDED),
        (["rule"], True, State.EXCLUDED),
    ],
)
def test_what_was_decided_by_hand(links, excluded, state):
    exclusion = Exclusion(("rule",), NOW, None) if excluded else None
    assert Membership(tuple(Link(source, NOW, None) for source in links), exclusion, None).state is state


@pytest.mark.parametrize(
    ("source", "is_one"),
    [(ONE, True), ("rule", False), ("manual", False), ("playbook:", False), ("playbook:x", False), (ONE + "\n", False)],
)
def test_what_may_keep_links_of_its_own(source, is_one):
    assert is_automation(source) is is_one


LATER = {"field": "segments", "op": "isSet"}
UPDATED = {"field": "updatedAt", "op": "inLastDays", "value": 1}
FINE = {"field": "status", "op": "is", "value": "trial"}


@pytest.mark.parametrize(
    ("source", "pointer"),
    [
        (LATER, "#/filter/field"),
        ({"field": "indicators", "op": "isSet"}, "#/filter/field"),
        ({"all": [FINE, {"any": [FINE, {"not": LATER}]}]}, "#/filter/all/1/any/1/not/field"),
        (
            {"related": "users", "op": "atLeast", "count": 1, "where": {"all": [LATER]}},
            "#/filter/where/all/0/field",
        ),
        ({"field": "organization.segments", "op": "isSet"}, "#/filter/field"),
        ({"all": [FINE, UPDATED]}, "#/filter/all/1/field"),
    ],
)
def test_a_segment_cannot_ask_what_is_decided_later(source, pointer):
    with pytest.raises(InvalidFilter) as refused:
        condition(source, Subject.ACCOUNTS)

    assert refused.value.context["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize("subject", [Subject.USERS, Subject.ORGANIZATIONS])
def test_nor_when_the_accounts_related_to_others_were_updated(subject):
    with pytest.raises(InvalidFilter) as refused:
        condition({"related": "accounts", "op": "atLeast", "count": 1, "where": UPDATED}, subject)

    assert refused.value.context["errors"][0]["pointer"] == "#/filter/where/field"


def test_when_users_and_organizations_were_updated_may_be_asked():
    condition(UPDATED, Subject.USERS)
    condition(UPDATED, Subject.ORGANIZATIONS)
    condition({"field": "organization.updatedAt", "op": "isSet"}, Subject.ACCOUNTS)
    condition({"related": "users", "op": "none", "where": UPDATED}, Subject.ACCOUNTS)


def test_a_trait_may_be_called_like_it():
    condition({"field": "traits.segments", "op": "isSet"}, Subject.ACCOUNTS)
    condition({"field": "traits.a.indicators", "op": "isSet"}, Subject.ACCOUNTS)


@pytest.mark.parametrize("source", [None, [], "x", {"field": 3}, {"all": 3}, {"field": "nothing", "op": "is"}])
def test_what_is_no_filter_is_refused_as_one(source):
    with pytest.raises(InvalidFilter):
        condition(source, Subject.USERS)


def test_it_needs_a_condition():
    with pytest.raises(EmptySegmentFilter):
        condition({"all": []}, Subject.ACCOUNTS)


def test_nobody_asks_so_nobody_is_me():
    with pytest.raises(NeedsMember):
        condition({"field": "csm", "op": "isMe"}, Subject.ACCOUNTS)
