"""The demo story is the same for the same seed and end, and every part of it is there."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from app.demo import cast, habits, script
from app.demo.plots import DAYS, PLOTS, Twist

ANCHOR = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def firms():
    return cast.firms(1, ANCHOR)


@pytest.fixture(scope="module")
def told(firms):
    return list(script.messages(firms, 1, ANCHOR))


def at(message):
    return datetime.fromisoformat(message["timestamp"])


def test_it_is_the_same_for_the_same_seed_and_end(told):
    assert list(script.messages(cast.firms(1, ANCHOR), 1, ANCHOR)) == told
    assert list(script.messages(cast.firms(2, ANCHOR), 2, ANCHOR)) != told


def test_it_has_the_size_it_should_have(firms, told):
    kinds = Counter(message["type"] for message in told)
    assert len(firms) == sum(plot.accounts for plot in PLOTS) == 200
    assert 600 <= len({message["userId"] for message in told if message["type"] == "user"}) <= 900
    assert 20_000 <= kinds["event"] <= 40_000
    assert kinds["unlink"] >= 5


def test_every_message_has_an_id_of_its_own(told):
    assert len({message["messageId"] for message in told}) == len(told)


def test_it_happened_in_the_half_year_before_its_end(told):
    assert all(ANCHOR - timedelta(days=DAYS) <= at(message) <= ANCHOR for message in told)


def test_weekends_are_calm(told):
    days = Counter(at(message).weekday() for message in told if message["type"] == "event")
    assert max(days[5], days[6]) < min(days[day] for day in range(5)) / 3


def test_growing_accounts_do_more_and_declining_ones_less(firms, told):
    plots = {firm.external_id: firm.plot.name for firm in firms}
    recent, before = Counter(), Counter()
    for message in told:
        if message["type"] == "event":
            days = (ANCHOR - at(message)).days
            counted = recent if days < 28 else before if days < 56 else Counter()
            counted[plots[message["accountId"]]] += 1
    assert recent["growing"] > before["growing"]
    assert recent["declining"] < before["declining"]


def test_every_twist_is_played(firms):
    played = Counter(firm.twist for firm in firms)
    assert set(played) == set(Twist)
    assert any(firm.guests for firm in firms)
    assert max(len(firm.people) for firm in firms) >= 28


def test_pending_owners_are_never_introduced(firms, told):
    known = {message["userId"] for message in told if "userId" in message}
    named = {
        message["traits"]["ownerId"]
        for message in told
        if message["type"] == "account" and message["accountId"] in script.pending(firms)
    }
    assert len(named) == 10
    assert not named & known


def test_integrations_are_connected_before_they_are_disconnected_and_some_stay(told):
    ons = {(m["accountId"], m["properties"]["integration"]): at(m) for m in told if m.get("event") == habits.CONNECTED}
    offs = {
        (m["accountId"], m["properties"]["integration"]): at(m) for m in told if m.get("event") == habits.DISCONNECTED
    }
    assert 200 <= len(ons) <= 600
    assert 20 <= len(offs) < len(ons) / 2
    assert all(ons[one] <= off for one, off in offs.items())


def test_people_answer_while_they_use_the_product(firms):
    answers = [(firm, one) for firm in firms for one in habits.answers(1, firm)]
    assert 100 <= len(answers) <= 400
    assert all(one.person.joined_at <= one.at <= one.person.until for _, one in answers)
    assert {one.score for _, one in answers} >= set(range(3, 11))
