"""Folding keeps the latest of each trait, the span of activity, the strongest word on a link."""

from datetime import UTC, date, datetime, timedelta

import pytest

from app.domain.folding import fold
from app.domain.matching import Matcher, grouped, parse
from app.domain.messages import (
    EPOCH,
    RECEIVED,
    SENT,
    AccountMessage,
    EventMessage,
    UnlinkMessage,
    UserMessage,
    as_text,
    stamp,
)

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def ago(**span):
    return NOW - timedelta(**span)


def test_the_later_write_of_a_trait_wins_and_null_clears_it():
    result = fold(
        [
            AccountMessage(NOW, "acme", {"plan": "pro", "seats": None}),
            AccountMessage(ago(hours=1), "acme", {"plan": "free", "seats": 5, "city": "Oslo"}),
        ],
        owner_trait=None,
    )

    acme = result.accounts["acme"]
    assert acme.traits == {"plan": "pro", "city": "Oslo"}
    assert set(acme.stamps) == {"plan", "seats", "city"}


def test_every_value_of_the_owner_trait_is_a_claim():
    result = fold(
        [AccountMessage(ago(days=n), "acme", {"ownerId": value}) for n, value in enumerate(["user-1", 7, None])],
        owner_trait="ownerId",
    )

    assert sorted(result.claims.values(), key=str) == ["7", None, "user-1"]


def test_a_conversation_is_neither_activity_nor_a_session():
    result = fold(
        [
            EventMessage(ago(days=1), "Login", "acme", "user-1", b"{}"),
            EventMessage(NOW, RECEIVED, "acme", "user-1", b"{}"),
            EventMessage(ago(hours=1), SENT, "acme", "user-1", b"{}"),
        ],
        owner_trait=None,
    )

    user = result.users["user-1"]
    assert (user.last_seen_at, user.last_received_at, user.last_sent_at) == (ago(days=1), NOW, ago(hours=1))
    assert result.days == {("user-1", date(2026, 5, 31))}
    assert result.accounts["acme"].events == 1
    assert len(result.events) == 3


@pytest.mark.parametrize(
    ("messages", "linked", "changed_at"),
    [
        ([EventMessage(NOW, "Login", "acme", "u", b"{}")], True, EPOCH),
        ([EventMessage(NOW, "Login", "acme", "u", b"{}"), UnlinkMessage(ago(days=9), "acme", "u")], False, ago(days=9)),
        ([UserMessage(ago(days=9), "u", ("acme",), {}), UnlinkMessage(ago(days=8), "acme", "u")], False, ago(days=8)),
        ([UserMessage(NOW, "u", ("acme",), {}), UnlinkMessage(NOW, "acme", "u")], False, NOW),
        ([UserMessage(NOW, "u", ("acme",), {}), UnlinkMessage(ago(days=8), "acme", "u")], True, NOW),
    ],
)
@pytest.mark.parametrize("direction", [1, -1])
def test_the_last_statement_decides_a_link_and_an_event_only_implies_one(messages, linked, changed_at, direction):
    (link,) = fold(messages[::direction], owner_trait=None).links.values()

    assert (link.linked, link.changed_at) == (linked, changed_at)


def test_a_stamp_orders_by_time_and_then_gives_ties_one_winner():
    earlier, later = stamp(ago(microseconds=1), "zzz"), stamp(NOW, None)

    assert earlier < later
    assert stamp(NOW, {"a": 1, "b": 2}) == stamp(NOW, {"b": 2, "a": 1})
    assert stamp(NOW, "a") != stamp(NOW, "b")


@pytest.mark.parametrize(
    ("value", "text"),
    [("user-1", "user-1"), (5, "5"), (5.5, "5.5"), (True, "true"), (None, None), ({"a": 1}, '{"a":1}')],
)
def test_any_trait_value_can_be_compared_with_an_external_id(value, text):
    assert as_text(value) == text


def test_every_event_is_counted_once_for_its_account_or_else_its_organization():
    result = fold(
        [
            EventMessage(NOW, "Login", "acme", "ada", b"{}", "group"),
            EventMessage(ago(days=1), "Login", "acme", "ada", b"{}"),
            EventMessage(ago(days=1), RECEIVED, "acme", None, b"{}"),
            EventMessage(NOW, "Login", None, "ada", b"{}", "group"),
            EventMessage(NOW, "Login", None, "ada", b"{}"),
        ],
        owner_trait=None,
    )

    assert {key: (total.count, total.first_at, total.last_at) for key, total in result.counts.totals.items()} == {
        ("acme", "Login"): (2, ago(days=1), NOW),
        ("acme", RECEIVED): (1, ago(days=1), ago(days=1)),
    }
    assert result.counts.days == {
        ("acme", "Login", date(2026, 6, 1), "ada"): 1,
        ("acme", "Login", date(2026, 5, 31), "ada"): 1,
        ("acme", RECEIVED, date(2026, 5, 31), None): 1,
    }
    assert list(result.parent_counts.totals) == [("group", "Login")]


def test_a_member_was_active_on_the_last_day_of_doing_anything():
    visits = [EventMessage(ago(days=n), "Login", "acme", "ada", b"{}") for n in (3, 1, 2)]
    talk = EventMessage(NOW, RECEIVED, "acme", "ada", b"{}")

    (link,) = fold([*visits, talk], owner_trait=None).links.values()

    assert link.active_on == date(2026, 5, 31)


def test_what_is_looked_for_is_counted_beside_the_name():
    paid = Matcher("Paid", parse({"property": "plan", "op": "is", "value": "pro"}), 7)
    plans = [b'{"plan":"pro"}', b'{"plan":"free"}', b'{"plan":"Pro"}']

    result = fold(
        [EventMessage(NOW, "Paid", "acme", None, plan) for plan in plans],
        owner_trait=None,
        matchers=grouped(1, [paid]),
    )

    assert {key: total.count for key, total in result.counts.totals.items()} == {("acme", "Paid"): 3, ("acme", 7): 2}
