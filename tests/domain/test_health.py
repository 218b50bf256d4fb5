"""What conditions, scores and health come to; and what a health score may ask about."""

from decimal import Decimal

import pytest

from app.domain.fields import Subject
from app.domain.filters import holds
from app.domain.health import POINTS, Part, Score, State, UnusableHealthScore, health, label, mean, overall, results
from app.domain.health_rules import read
from app.domain.health_templates import TEMPLATES
from app.domain.ids import new_id, show
from tests.db.populations import NOW

POOR, CONCERNING, HEALTHY = State
MRR = {
    "poor": {"field": "mrr", "op": "lessThan", "value": 10},
    "concerning": {"field": "mrr", "op": "lessThan", "value": 100},
    "healthy": {"field": "mrr", "op": "isSet"},
}


def score(rules, subject=Subject.ACCOUNTS):
    return Score(new_id(), "score", "Score", 1, read({"weight": 1, **rules}, subject).parts)


def judged(one, facts, segments=()):
    def asked(tree):
        return holds(tree, {"traits": {}, "mrr": None, "owner": None, **facts}, NOW)

    (found,) = results([one], segments, asked)
    return found


@pytest.mark.parametrize(("mrr", "found"), [(5, POOR), (50, CONCERNING), (500, HEALTHY), (None, None)])
def test_of_several_filters_that_hold_the_worst_counts(mrr, found):
    assert judged(score({"conditions": [MRR]}), {"mrr": mrr}).states == (found,)


@pytest.mark.parametrize(
    ("states", "value"),
    [
        ((HEALTHY, HEALTHY, POOR), "6.67"),
        ((HEALTHY, POOR, POOR), "3.33"),
        ((HEALTHY, None, POOR), "5.00"),
        ((CONCERNING,), "5.00"),
        ((POOR, None), "0.00"),
        ((None, None), None),
        ((), None),
        ((CONCERNING,) + (POOR,) * 7, "0.63"),  # a half is rounded up, as PostgreSQL does
    ],
)
def test_a_score_is_the_mean_of_what_says_something(states, value):
    assert mean(states) == (None if value is None else Decimal(value))


@pytest.mark.parametrize(
    ("value", "called"),
    [
        ("0", POOR),
        ("3.32", POOR),
        ("3.33", CONCERNING),
        ("6.66", CONCERNING),
        ("6.67", HEALTHY),
        ("10", HEALTHY),
        (None, None),
    ],
)
def test_labels_are_thirds_of_what_is_shown(value, called):
    assert label(None if value is None else Decimal(value)) is called


@pytest.mark.parametrize(
    ("weighed", "value"),
    [
        ([("10", "3"), ("5", "1")], "8.75"),
        ([("10", "3"), (None, "7")], "10.00"),
        ([("10", "1"), ("0", "2")], "3.33"),
        ([("10", "0"), ("4", "0.5")], "4.00"),
        ([("10", "0")], None),
        ([(None, "1")], None),
        ([], None),
    ],
)
def test_health_is_the_weighted_average_of_scores_with_a_value(weighed, value):
    found = overall((None if one is None else Decimal(one), Decimal(weight)) for one, weight in weighed)

    assert found == (None if value is None else Decimal(value))


def test_the_first_variant_whose_segment_a_record_is_in_counts():
    one, two = new_id(), new_id()
    rules = {
        "conditions": [MRR],
        "variants": [
            {"segment": show("seg", one), "weight": 5},
            {"segment": show("seg", two), "conditions": []},
        ],
    }
    made = score(rules)

    found = [judged(made, {"mrr": 5}, segments) for segments in ((one, two), (two,), ())]

    assert [(part.part.weight, part.value) for part in found] == [(5, 0), (1, None), (1, 0)]
    assert [health([part]) for part in found] == [0, None, 0]


def test_points_are_ten_five_and_zero():
    assert [POINTS[one] for one in (HEALTHY, CONCERNING, POOR)] == [10, 5, 0]


@pytest.mark.parametrize(
    ("source", "facts", "found"),
    [
        ({"field": "owner", "op": "isNot", "value": "x"}, {"owner": None}, None),
        ({"field": "owner", "op": "isNot", "value": "x"}, {"owner": "y"}, POOR),
        ({"not": {"field": "mrr", "op": "atLeast", "value": 3}}, {"mrr": None}, None),
        ({"not": {"field": "mrr", "op": "atLeast", "value": 3}}, {"mrr": 2}, POOR),
        ({"field": "mrr", "op": "isNotSet"}, {"mrr": None}, POOR),
    ],
)
def test_what_is_missing_leaves_a_condition_out_unless_that_is_what_is_asked(source, facts, found):
    assert judged(score({"conditions": [{"poor": source}]}), facts).states == (found,)


ACCOUNTS_IN_POOR_HEALTH = {
    "related": "accounts",
    "op": "atLeast",
    "count": 1,
    "where": {"field": "health", "op": "lessThan", "value": 3},
}


def test_organizations_may_look_at_the_health_of_their_accounts_only():
    assert read({"weight": 1, "conditions": [{"poor": ACCOUNTS_IN_POOR_HEALTH}]}, Subject.ORGANIZATIONS)
    with pytest.raises(UnusableHealthScore):
        read({"weight": 1, "conditions": [{"poor": {"field": "health", "op": "isSet"}}]}, Subject.ORGANIZATIONS)


@pytest.mark.parametrize("path", ["metrics.logins", "elements.seats", "nps", "status", "organization.status", "csm"])
def test_whatever_is_decided_before_health_may_be_asked(path):
    assert read({"weight": 1, "conditions": [{"poor": {"field": path, "op": "isSet"}}]}, Subject.ACCOUNTS)


def test_the_segments_a_score_goes_by_are_known():
    one, two = new_id(), new_id()
    rules = {
        "weight": 1,
        "conditions": [{"poor": {"field": "segments", "op": "isAnyOf", "value": [show("seg", one)]}}],
        "variants": [{"segment": show("seg", two)}],
    }

    assert read(rules, Subject.ACCOUNTS).named == {one: "#/conditions", two: "#/variants/0/segment"}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda one: one["slug"])
def test_templates_are_usable(template):
    assert read(template, Subject(template["subject"])).leaves


def test_the_last_part_is_for_everybody():
    assert isinstance(score({"conditions": [MRR]}).part_for(()), Part)
