"""Rules ask about what was decided before them: which facts each kind of rule may name, of all there are."""

import pytest

from app.domain import health_rules, indicators, lifecycle_rules, segments
from app.domain.errors import DomainError
from app.domain.fields import CATALOGUES, FAMILIES, Op, Stage, Subject, find

ACCOUNTS, USERS, ORGANIZATIONS = Subject
SLUGS = [f"{prefix}one" for prefix in FAMILIES]
PATHS = [*CATALOGUES[ACCOUNTS], *SLUGS, *(f"organization.{path}" for path in SLUGS), "traits.segments", "traits.health"]


def asked(path, subject=ACCOUNTS):
    fact = find(path, subject)
    op = next(op for op in (Op.IS_SET, Op.IS_TRUE, Op.AT_LEAST, *fact.operators) if op in fact.operators)
    value = {Op.AT_LEAST: 1, Op.IS: "acc_" + "0" * 32 if fact.prefix else "x"}.get(op)
    return {"field": path, "op": op.value, **({} if value is None else {"value": value})}


def may(read):
    try:
        read()
    except DomainError:
        return False
    return True


def allowed(stages, *, but=()):
    return {path for path in PATHS if find(path).stage in stages and path not in but}


SEGMENTS = {"segments", "organization.segments"}
BEFORE = {Stage.FACTS, Stage.STATUS, Stage.METRICS}


@pytest.mark.parametrize(
    ("read", "wanted"),
    [
        (lambda source: lifecycle_rules.read({"churned": source}, ACCOUNTS), allowed({Stage.FACTS})),
        (lambda source: segments.condition(source, ACCOUNTS), allowed({*BEFORE, Stage.HEALTH})),
        (
            lambda source: health_rules.read({"weight": 1, "conditions": [{"poor": source}]}, ACCOUNTS),
            allowed(BEFORE),  # and segments by their names
        ),
        (indicators.condition, allowed({*BEFORE, Stage.SEGMENTS, Stage.HEALTH})),
    ],
    ids=["lifecycle", "segments", "health", "indicators"],
)
def test_each_kind_of_rule_asks_about_what_was_decided_before_it(read, wanted):
    assert {path for path in PATHS if may(lambda path=path: read(asked(path)))} == wanted


@pytest.mark.parametrize(
    ("path", "stage"),
    [
        ("mrr", Stage.FACTS),
        ("status", Stage.STATUS),
        ("churnedAt", Stage.STATUS),
        ("organization.status", Stage.STATUS),
        ("metrics.one", Stage.METRICS),
        ("segments", Stage.SEGMENTS),
        ("health", Stage.HEALTH),
        ("healthLabels.one", Stage.HEALTH),
        ("organization.healthScores.one", Stage.HEALTH),
        ("indicators", Stage.INDICATORS),
        ("updatedAt", Stage.LAST),
        ("organization.updatedAt", Stage.FACTS),
        ("traits.status", Stage.FACTS),
    ],
)
def test_when_a_fact_is_decided(path, stage):
    assert find(path).stage is stage


@pytest.mark.parametrize(
    ("source", "late"),
    [
        ({"field": "mrr", "op": "isSet"}, False),
        ({"field": "traits.health", "op": "isSet"}, False),
        ({"any": [{"field": "mrr", "op": "isSet"}, {"not": {"field": "health", "op": "isSet"}}]}, True),
        ({"field": "organization.healthLabel", "op": "is", "value": "poor"}, True),
    ],
)
def test_segments_that_ask_about_health_are_told_from_others(source, late):
    assert segments.asks_about_health(segments.condition(source, ACCOUNTS)) is late


def test_segments_of_users_may_ask_about_the_health_of_their_accounts():
    source = {"related": "accounts", "op": "atLeast", "count": 1, "where": {"field": "health", "op": "isSet"}}

    assert segments.asks_about_health(segments.condition(source, USERS))
