"""Filters on properties of events: what they mean, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.elements import Role
from app.domain.matching import (
    Instance,
    Matcher,
    UnusablePropertyFilter,
    digest,
    grouped,
    instance_of,
    key,
    matches,
    parse,
)

SAID = {"plan": "Pro", "seats": 7, "price": "12.50", "trial": True, "note": None, "tags": ["a"], "huge": 1e300}


def where(name, op, value=None):
    return {"property": name, "op": op} | ({} if value is None else {"value": value})


@pytest.mark.parametrize(
    ("filter_", "holds"),
    [
        (where("plan", "is", "pro"), True),
        (where("plan", "is", "free"), False),
        (where("plan", "isNot", "free"), True),
        (where("missing", "isNot", "free"), True),
        (where("plan", "isAnyOf", ["free", "PRO"]), True),
        (where("plan", "isAnyOf", ["free", 7]), False),
        (where("plan", "contains", "R"), True),
        (where("tags", "contains", "a"), False),
        (where("seats", "is", 7), True),
        (where("seats", "is", 7.0), True),
        (where("seats", "is", "7"), True),
        (where("seats", "isAnyOf", [6, 7]), True),
        (where("price", "is", 12.5), True),
        (where("price", "greaterThan", 12), True),
        (where("price", "lessThan", 12), False),
        (where("seats", "atLeast", 7), True),
        (where("seats", "atMost", 6.9), False),
        (where("huge", "greaterThan", 1), True),
        (where("plan", "greaterThan", 1), False),
        (where("missing", "lessThan", 1), False),
        (where("trial", "is", True), True),
        (where("trial", "is", "TRUE"), True),
        (where("trial", "is", 1), False),
        (where("plan", "isSet"), True),
        (where("note", "isSet"), False),
        (where("note", "isNotSet"), True),
        (where("missing", "isNotSet"), True),
        ({"all": [where("plan", "is", "pro"), where("seats", "atLeast", 5)]}, True),
        ({"any": [where("plan", "is", "free"), where("seats", "atLeast", 9)]}, False),
        ({"not": where("plan", "is", "free")}, True),
    ],
)
def test_a_condition_holds_or_does_not(filter_, holds):
    assert matches(parse(filter_), SAID) is holds


@pytest.mark.parametrize(
    ("source", "pointer"),
    [
        ("plan = pro", "#/where"),
        ({}, "#/where/property"),
        ({"property": "plan"}, "#/where/op"),
        ({"property": "", "op": "isSet"}, "#/where/property"),
        ({"property": "a\0b", "op": "isSet"}, "#/where/property"),
        ({"property": "x" * 257, "op": "isSet"}, "#/where/property"),
        (where("plan", "like", "x"), "#/where/op"),
        (where("plan", "is"), "#/where/value"),
        (where("plan", "is", []), "#/where/value"),
        (where("plan", "is", "\ud800"), "#/where/value"),
        (where("plan", "is", "x" * 1001), "#/where/value"),
        (where("plan", "isAnyOf", []), "#/where/value"),
        (where("plan", "isAnyOf", "a"), "#/where/value"),
        (where("plan", "contains", ""), "#/where/value"),
        (where("plan", "isSet", 1), "#/where/value"),
        (where("seats", "atLeast", "7"), "#/where/value"),
        (where("seats", "atLeast", True), "#/where/value"),
        (where("seats", "atLeast", float("nan")), "#/where/value"),
        (where("seats", "atLeast", float("inf")), "#/where/value"),
        (where("plan", "is", "x") | {"type": "text"}, "#/where"),
        ({"all": []}, "#/where/all"),
        ({"all": [where("plan", "isSet"), {"property": "x"}]}, "#/where/all/1/op"),
        ({"not": {"not": {"not": {"not": {"not": where("plan", "isSet")}}}}}, "#/where/not/not/not/not/not"),
        ({"all": [{"all": [where("plan", "isSet")] * 11}] * 2}, "#/where/all/1/all/9"),
    ],
)
def test_what_is_refused_is_pointed_at(source, pointer):
    with pytest.raises(UnusablePropertyFilter) as refused:
        parse(source)
    assert refused.value.context["errors"][0]["pointer"] == pointer


scalars = st.one_of(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5), st.integers(-9, 9))
names = st.sampled_from(["plan", "seats", "trial", "x.y"])
conditions = st.one_of(
    st.builds(where, names, st.sampled_from(["is", "isNot"]), scalars),
    st.builds(where, names, st.just("isAnyOf"), st.lists(scalars, min_size=1, max_size=3)),
    st.builds(where, names, st.sampled_from(["atLeast", "lessThan"]), st.integers(-9, 9)),
    st.builds(where, names, st.sampled_from(["isSet", "isNotSet"])),
)
filters = st.recursive(
    conditions,
    lambda parts: st.one_of(
        st.builds(lambda those: {"all": those}, st.lists(parts, min_size=1, max_size=2)),
        st.builds(lambda those: {"any": those}, st.lists(parts, min_size=1, max_size=2)),
        st.builds(lambda one: {"not": one}, parts),
    ),
    max_leaves=4,
)
said = st.dictionaries(names, st.one_of(st.none(), st.booleans(), scalars, st.floats(allow_nan=False)), max_size=4)


@given(filter_=conditions, properties=said)
def test_a_condition_or_its_negation_holds_whatever_is_said(filter_, properties):
    read = parse(filter_)
    assert matches(read, properties) is not matches(parse({"not": filter_}), properties)
    assert parse(read) == read


@given(one=filters, other=filters)
def test_filters_that_differ_have_keys_that_differ(one, other):
    assert (key(one) == key(other)) is (digest("Login", one) == digest("Login", other))
    assert digest("Login", one) != digest("Login") != digest("Logout")


@pytest.mark.parametrize(
    ("value", "name"),
    [(7, "7"), (7.0, "7"), ("7", "7"), ("Seven ", "Seven "), (True, "true"), (None, None), ("", None), ([1], None)],
)
def test_the_value_of_a_property_names_an_instance(value, name):
    assert instance_of(value) == name


def test_a_long_instance_goes_by_its_hash():
    assert instance_of("x" * 200) == "x" * 200
    assert instance_of("x" * 201).startswith("sha256:")
    assert instance_of(float("inf")) is None


def test_an_event_is_looked_at_by_those_who_ask_for_its_name():
    big = parse(where("seats", "atLeast", 5))
    element = Instance(digest("any"), Role.CREATE, "board")
    found = grouped(3, [Matcher("Paid", big, 1), Matcher("Paid", None, element), Matcher("Left", None, 2)])

    assert [act for act, _ in found.hits("Paid", b'{"seats":5}')] == [1, element]
    assert [act for act, _ in found.hits("Paid", b'{"seats":4}')] == [element]
    assert list(found.hits("Other", b"not even JSON")) == []
