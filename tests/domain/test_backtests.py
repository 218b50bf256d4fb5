"""What a backtest makes of answers day by day."""

from datetime import UTC, date, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.backtests import Run, Span, Tally, instants
from app.domain.ids import new_id

NOW = datetime(2026, 3, 3, 9, 30, tzinfo=UTC)


def test_days_are_judged_at_their_last_instant_and_today_now():
    assert instants(NOW, 3) == (
        datetime(2026, 3, 1, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(2026, 3, 2, 23, 59, 59, 999999, tzinfo=UTC),
        NOW,
    )
    assert instants(NOW, 1) == (NOW,)


@pytest.mark.parametrize(
    ("held", "expected"),
    [("000", []), ("111", [(1, 3)]), ("101", [(1, 1), (3, 3)]), ("011", [(2, 3)]), ("", [])],
)
def test_days_in_a_row_are_a_span(held, expected):
    days = [date(2026, 3, number) for number in range(1, 4)]

    assert Run(new_id(), held).spans(days) == [Span(days[a - 1], days[b - 1]) for a, b in expected]


@given(st.lists(st.text("01", min_size=5, max_size=5), max_size=20))
def test_all_records_together(held):
    tally = Tally(5)
    for one in held:
        tally.add(Run(new_id(), one))

    assert tally.holding == [sum(one[ix] == "1" for one in held) for ix in range(5)]
    assert tally.flips == sum(a != b for one in held for a, b in pairwise(one))
    assert tally.records == sum("1" in one for one in held)
