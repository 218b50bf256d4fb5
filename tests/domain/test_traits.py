"""What traits may be declared to be, keys made of labels, types guessed from what was seen."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app.domain.fields import Subject
from app.domain.folding import Party
from app.domain.messages import stamp
from app.domain.team import MemberRole
from app.domain.trait_types import (
    Definition,
    EditableBy,
    Option,
    TraitNotEditable,
    TraitType,
    UnusableTrait,
    UnusableValue,
    check,
    check_custom,
    check_editor,
    custom_key,
    detect,
)
from app.domain.traits import TraitMap

AT = datetime(2026, 6, 1, tzinfo=UTC)
PLAN = Definition(Subject.ACCOUNTS, "plan", "Plan", TraitType.TEXT)


@pytest.mark.parametrize(
    ("label", "key"),
    [
        ("Next steps", "custom.nextSteps"),
        ("NPS", "custom.nPS"),
        ("  renewal – risk (2026) ", "custom.renewalRisk2026"),
        ("Größe", "custom.größe"),
        ("snake_case", "custom.snakeCase"),
    ],
)
def test_a_key_is_made_of_a_label(label, key):
    assert custom_key(label) == key


def test_a_label_without_a_letter_makes_no_key():
    with pytest.raises(UnusableTrait):
        custom_key("– … –")


@pytest.mark.parametrize(
    ("kinds", "type_"),
    [
        ({}, None),
        ({"number": 3}, TraitType.NUMBER),
        ({"object": 1}, None),
        ({"object": 1, "text": 9}, None),
        ({"date": 1, "datetime": 1}, TraitType.DATETIME),
        ({"text": 1, "longText": 1}, TraitType.LONG_TEXT),
        ({"email": 5, "text": 1}, TraitType.TEXT),
        ({"number": 5, "text": 1}, TraitType.TEXT),
        ({"number": 5, "longText": 1}, TraitType.TEXT),
    ],
)
def test_a_type_is_guessed_from_kinds_of_values(kinds, type_):
    assert detect(kinds) is type_


@pytest.mark.parametrize(
    "changes",
    [
        {"key": ""},
        {"key": " "},
        {"key": "x" * 257},
        {"key": "custom.x"},
        {"custom": True},
        {"type": TraitType.SELECT},
        {"options": (Option("a", "A"),)},
        {"type": TraitType.SELECT, "options": (Option("a", "A"), Option("a", "B"))},
    ],
)
def test_what_cannot_be_declared(changes):
    assert check(PLAN) is PLAN
    with pytest.raises(UnusableTrait):
        check(replace(PLAN, **changes))


@pytest.mark.parametrize(
    ("editable_by", "refused"),
    [
        (EditableBy.NOBODY, {None, *MemberRole}),
        (EditableBy.ADMINS_AND_LEADERS, {MemberRole.TEAM_MEMBER, MemberRole.OBSERVER}),
        (EditableBy.ALL_BUT_OBSERVERS, set()),
        (None, {MemberRole.TEAM_MEMBER, MemberRole.OBSERVER}),
    ],
)
def test_who_edits_what(editable_by, refused):
    one = replace(PLAN, editable_by=editable_by) if editable_by else None
    found = set()
    for role in (None, *MemberRole):
        try:
            check_editor("plan", one, role)
        except TraitNotEditable:
            found.add(role)
    assert found == refused


def test_custom_traits_are_made_before_they_are_edited():
    check_custom(["plan", "custom.x"], {"custom.x": PLAN})
    for key in ("custom.x", "", "\x00"):
        with pytest.raises(UnusableValue):
            check_custom([key], {})


def test_the_map_comes_back_as_it_was_stored():
    mapped = TraitMap(owner="boss", name=("title",), mrr=(), renewal=("a", "b"), roles={"csm": "x", "scout": "y"})

    assert TraitMap.of(mapped.rows()) == mapped
    assert TraitMap.of({}) == TraitMap()


def test_a_party_keeps_the_whole_of_what_each_message_said():
    party = Party()
    for at, traits in ((AT, {"b": 1, "a": None}), (AT, {"a": None, "b": 1}), (AT, {"a": 2}), (AT, {})):
        party.learn(traits, at)

    assert sorted(party.told.values()) == [b'{"a":2}', b'{"a":null,"b":1}']
    assert {mark >> 32 for mark in party.told} == {stamp(AT, None) >> 32}
