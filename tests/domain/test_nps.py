"""What an answer counts as, and what answers come to."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.nps import Answer, Group, Tally, group, score, trend

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        *((n, Group.DETRACTOR) for n in range(7)),
        (7, Group.PASSIVE),
        (8, Group.PASSIVE),
        (9, Group.PROMOTER),
        (10, Group.PROMOTER),
    ],
)
def test_an_answer_counts_as(answer, expected):
    assert group(answer) is expected


@pytest.mark.parametrize(
    ("promoters", "detractors", "responses", "expected"),
    [
        (0, 0, 0, None),
        (1, 0, 1, "100"),
        (0, 1, 1, "-100"),
        (0, 0, 5, "0"),
        (2, 2, 4, "0"),
        (1, 0, 3, "33.33"),
        (2, 0, 3, "66.67"),
        (0, 1, 3, "-33.33"),
        (0, 2, 3, "-66.67"),
        (1, 0, 800, "0.13"),  # 0.125, away from zero as PostgreSQL rounds
        (0, 1, 800, "-0.13"),
        (50, 22, 100, "28"),
    ],
)
def test_a_score_is(promoters, detractors, responses, expected):
    assert score(promoters, detractors, responses) == (None if expected is None else Decimal(expected))


def user(n):
    return UUID(int=n)


def test_of_each_user_the_latest_answer_counts_whatever_the_order():
    answers = [
        Answer(user(1), 9, NOW, UUID(int=1)),
        Answer(user(1), 3, NOW - timedelta(days=1), UUID(int=9)),
        Answer(user(2), 3, NOW, UUID(int=2)),
        Answer(user(2), 8, NOW, UUID(int=3)),  # the same instant: the greater id
    ]

    for order in (answers, answers[::-1]):
        found = Tally.of(order)
        assert (found.promoters, found.passives, found.detractors, found.last_at) == (1, 1, 0, NOW)
        assert found.score == 50


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 10), st.integers(0, 50)), max_size=30))
def test_a_score_lies_between_its_ends_and_counts_everybody_once(told):
    answers = [Answer(user(u), s, NOW + timedelta(hours=h), UUID(int=n)) for n, (u, s, h) in enumerate(told)]
    found = Tally.of(answers)

    assert found.responses == len({u for u, _, _ in told})
    assert found.score is None if not told else -100 <= found.score <= 100


def test_a_trend_tells_every_month_and_how_everybody_stood_at_its_end():
    months = [
        (NOW.date().replace(year=2025, month=11), (2, 0, 1), (0, 0, 0)),
        (NOW.date().replace(month=2), (0, 1, 1), (1, 0, 0)),  # one of the promoters is among these two
    ]

    found = trend(months, NOW.date(), 3)

    assert [str(one.month) for one in found] == ["2026-01-01", "2026-02-01", "2026-03-01"]
    assert [one.answered.responses for one in found] == [0, 2, 0]
    assert [(one.standing.promoters, one.standing.passives, one.standing.detractors) for one in found] == [
        (2, 0, 1),
        (1, 1, 2),
        (1, 1, 2),
    ]
    assert found[0].answered.score is None
