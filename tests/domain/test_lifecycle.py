"""The lifecycle rule, rung by rung."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from app.domain.fields import Subject
from app.domain.lifecycle import Choice, Circumstances, Source, Status, Verdict, decide

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SUBSCRIBED, TRIAL, CHURNED, IGNORED = Status.SUBSCRIBED, Status.TRIAL, Status.CHURNED, Status.IGNORED
ACTIVE, DEACTIVATED = Status.ACTIVE, Status.DEACTIVATED
ALL = {"ignored": True, "churned": True, "trial": True, "subscribed": True}


def chose(status, *, outcome=SUBSCRIBED, paid=False, revenue=None):
    return Choice(status, outcome, NOW - timedelta(days=1), paid, None if revenue is None else Decimal(revenue))


def settle(subject=Subject.ACCOUNTS, **circumstances):
    if circumstances.get("revenue") is not None:
        circumstances["revenue"] = Decimal(circumstances["revenue"])
    return decide(subject, Circumstances(**circumstances), NOW)


@pytest.mark.parametrize(
    ("circumstances", "status", "source"),
    [
        ({}, SUBSCRIBED, Source.DEFAULT),
        ({"subscribed": True}, SUBSCRIBED, Source.RULE),
        ({"subscribed": False}, SUBSCRIBED, Source.DEFAULT),
        ({"revenue": 0}, SUBSCRIBED, Source.RULE),
        ({"trial": True}, TRIAL, Source.RULE),
        ({"trial": True, "subscribed": True}, TRIAL, Source.RULE),
        ({"trial": True, "revenue": 10}, TRIAL, Source.RULE),
        ({"trial": True, "churned": True}, CHURNED, Source.RULE),
        ({"trial": False, "churned": False}, SUBSCRIBED, Source.DEFAULT),
        ({"churned": True, "said": TRIAL}, TRIAL, Source.TRAIT),
        ({"said": IGNORED}, IGNORED, Source.TRAIT),
        ({"said": SUBSCRIBED, "organization": CHURNED}, CHURNED, Source.ORGANIZATION),
        ({"organization": IGNORED}, IGNORED, Source.ORGANIZATION),
        ({"organization": TRIAL}, SUBSCRIBED, Source.DEFAULT),
        ({"organization": SUBSCRIBED, "churned": True}, CHURNED, Source.RULE),
        ({"choice": chose(TRIAL)}, TRIAL, Source.MANUAL),
        ({"choice": chose(SUBSCRIBED, outcome=CHURNED), "organization": CHURNED}, SUBSCRIBED, Source.MANUAL),
        ({"choice": chose(SUBSCRIBED, outcome=CHURNED), "churned": True}, SUBSCRIBED, Source.MANUAL),
        ({"choice": chose(TRIAL), "said": SUBSCRIBED}, TRIAL, Source.MANUAL),
        ({"ignored": True, "choice": chose(TRIAL)}, IGNORED, Source.RULE),
        ({"ignored": False, "churned": True}, CHURNED, Source.RULE),
        ({**ALL, "said": SUBSCRIBED, "organization": CHURNED, "choice": chose(TRIAL)}, IGNORED, Source.RULE),
    ],
)
def test_the_highest_rung_that_says_something_decides(circumstances, status, source):
    found = settle(**circumstances)

    assert (found.status, found.source) == (status, source)


@pytest.mark.parametrize(
    ("choice", "circumstances", "status", "over"),
    [
        (chose(CHURNED), {}, CHURNED, False),
        (chose(CHURNED), {"churned": True}, CHURNED, True),  # now by the rules themselves
        (chose(TRIAL), {"churned": True}, CHURNED, True),
        (chose(CHURNED), {"trial": True}, TRIAL, True),
        (chose(CHURNED), {"organization": IGNORED}, IGNORED, True),
        (chose(CHURNED), {"revenue": 0}, SUBSCRIBED, True),
        (chose(CHURNED, paid=True, revenue=500), {"revenue": 500}, CHURNED, False),  # said once more
        (chose(CHURNED, paid=True, revenue=500), {"revenue": 0}, SUBSCRIBED, True),
        (chose(CHURNED, paid=True, revenue=500), {"revenue": None}, CHURNED, False),
        (chose(CHURNED, paid=True, revenue=500), {"subscribed": True, "revenue": 400}, CHURNED, False),
        (chose(CHURNED, revenue=500), {"subscribed": False, "revenue": 400}, CHURNED, False),
        (chose(CHURNED, revenue=500), {"subscribed": True, "revenue": 500}, SUBSCRIBED, True),
        (chose(IGNORED), {"revenue": 10}, IGNORED, False),
        (chose(TRIAL), {"revenue": 10}, TRIAL, False),
        (chose(CHURNED), {"ignored": True}, IGNORED, False),  # track rules win, and do not end it
        (chose(SUBSCRIBED, outcome=CHURNED), {"churned": False}, SUBSCRIBED, True),
    ],
)
def test_a_choice_holds_until_the_rules_say_otherwise_or_the_churned_pay_again(choice, circumstances, status, over):
    found = settle(choice=choice, **circumstances)

    assert (found.status, found.over) == (status, over)


@pytest.mark.parametrize(
    ("ends", "circumstances", "unconverted", "changes_at"),
    [
        (NOW - timedelta(days=1), {"trial": True}, True, None),
        (NOW, {"trial": True}, True, None),
        (NOW + timedelta(days=1), {"trial": True}, False, NOW + timedelta(days=1)),
        (None, {"trial": True}, False, None),
        (NOW - timedelta(days=1), {}, False, None),
        (NOW - timedelta(days=1), {"trial": True, "churned": True}, False, None),
        (NOW + timedelta(days=1), {"said": TRIAL}, False, NOW + timedelta(days=1)),
    ],
)
def test_a_trial_is_unconverted_once_its_end_has_passed(ends, circumstances, unconverted, changes_at):
    found = settle(trial_ends_at=ends, **circumstances)

    assert (found.unconverted, found.changes_at) == (unconverted, changes_at)


@pytest.mark.parametrize(
    ("circumstances", "status", "source"),
    [
        ({}, ACTIVE, Source.DEFAULT),
        ({"churned": True}, DEACTIVATED, Source.RULE),
        ({"churned": False}, ACTIVE, Source.DEFAULT),
        ({"choice": chose(DEACTIVATED, outcome=ACTIVE)}, DEACTIVATED, Source.MANUAL),
        ({"choice": chose(ACTIVE, outcome=DEACTIVATED), "churned": True}, ACTIVE, Source.MANUAL),
        ({"choice": chose(ACTIVE, outcome=DEACTIVATED), "churned": False}, ACTIVE, Source.DEFAULT),
    ],
)
def test_users_have_churn_rules_only(circumstances, status, source):
    found = settle(Subject.USERS, **circumstances)

    assert (found.status, found.source) == (status, source)
    assert {step.rung for step in found.steps} == {"manual", "churned", "default"}


def test_an_organization_looks_to_no_other():
    found = settle(Subject.ORGANIZATIONS, organization=CHURNED)

    assert found.status is SUBSCRIBED
    assert "organization" not in {step.rung for step in found.steps}


def test_every_rung_is_explained():
    found = settle(churned=True, trial=False, said=TRIAL, choice=chose(IGNORED, outcome=CHURNED))

    assert [(step.rung, step.says, step.verdict) for step in found.steps] == [
        ("track", None, Verdict.SILENT),
        ("manual", None, Verdict.ENDED),
        ("organization", None, Verdict.SILENT),
        ("trait", TRIAL, Verdict.DECIDES),
        ("churned", CHURNED, Verdict.OVERRULED),
        ("trial", None, Verdict.SILENT),
        ("subscribed", None, Verdict.SILENT),
        ("default", SUBSCRIBED, Verdict.OVERRULED),
    ]
    assert found.reason == "The mapped status trait says trial."
    assert "ended: the rules no longer say churned" in next(
        step.because for step in found.steps if step.rung == "manual"
    )
