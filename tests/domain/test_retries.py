"""When to try again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.retries import SPREAD, WEBHOOKS, Schedule, spread, wait, wished

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def test_the_webhook_schedule_is_the_published_one():
    gaps = [wait(WEBHOOKS, made) for made in range(WEBHOOKS.attempts)]
    assert gaps == [
        timedelta(0),
        timedelta(seconds=5),
        timedelta(minutes=5),
        timedelta(minutes=30),
        *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
    ]
    assert timedelta(days=3) < sum((gap for gap in gaps if gap), timedelta()) < timedelta(days=3, hours=6)


@pytest.mark.parametrize("made", [10, 11, 1000])
def test_a_used_up_schedule_gives_up(made):
    assert wait(WEBHOOKS, made, wish=5) is None


@given(st.integers(1, 9), st.floats(0, 1, exclude_max=True))
def test_jitter_stays_within_its_spread(made, jitter):
    scheduled = WEBHOOKS.waits[made]
    found = wait(WEBHOOKS, made, jitter=jitter)
    assert found is not None
    assert scheduled * (1 - SPREAD) - 1e-3 <= found.total_seconds() <= scheduled * (1 + SPREAD) + 1e-3


def test_spread_is_repeatable_and_even():
    assert spread("dlv_1", 3) == spread("dlv_1", 3)
    assert spread("dlv_1", 3) != spread("dlv_1", 4)
    draws = [spread(f"dlv_{number}", 1) for number in range(2000)]
    assert all(0 <= draw < 1 for draw in draws)
    assert 0.45 < sum(draws) / len(draws) < 0.55


@pytest.mark.parametrize(
    ("made", "wish", "expected"),
    [
        (1, None, 5),
        (1, 0, 5),
        (1, -7, 5),
        (1, 1, 5),  # a short wish does not spend the attempts faster
        (1, 60, 66),  # a longer one is honoured, stretched and never cut by jitter
        (1, 1e9, 3960),  # up to an hour
        (9, 60, 86400),
    ],
)
def test_a_receivers_wish_only_ever_lengthens_the_wait(made, wish, expected):
    assert wait(WEBHOOKS, made, wish=wish) == timedelta(seconds=expected)


def test_a_schedule_of_ones_own():
    assert wait(Schedule((0, 10)), 1) == timedelta(seconds=10)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("7", 7),
        (" 120 ", 120),
        ("3601", 3600),
        ("99999999999999999999", 3600),
        ("Sun, 22 Nov 2026 12:00:30 GMT", 30),
        ("Sunday, 22-Nov-26 12:00:30 GMT", 30),
        ("Sun, 22 Nov 2026 13:00:30 +0100", 30),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600),
        ("Fri, 31 Dec 9999 23:59:59 -1200", 3600),
        # row 108: garbage is no wish
        *((text, None) for text in ("-1", "9e99", "1.5", "+5", "0x10", "NaN", "inf", "", "soon", "٣", "1" * 400)),
        *((text, None) for text in ("Sun, 99 Nov 2026 12:00:00 GMT", "Fri, 31 Dec 99999 23:59:59 GMT", "\x00", "1,2")),
    ],
)
def test_retry_after(text, expected):
    assert wished([text], now=NOW) == expected


@pytest.mark.parametrize(
    ("retry_after", "reset", "expected"),
    [
        ([], [], None),
        (["5", "900"], [], None),  # two answers are none
        ([], ["1795348830"], 30),
        ([], ["45"], 45),
        ([], ["1795348000"], 0),
        ([], ["soon"], None),
        (["5"], ["45"], 5),
        (["soon"], ["45"], 45),
    ],
)
def test_the_rate_limit_reset_stands_in_for_retry_after(retry_after, reset, expected):
    assert wished(retry_after, reset, now=NOW) == expected


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_header_value_breaks_it(one, other):
    found = wished([one], [other], now=NOW)
    assert found is None or 0 <= found <= 3600
