"""An event that names its user only counts for the account this user was last linked to."""

from datetime import UTC, datetime, timedelta

from app.domain.homes import bring_home, homeless
from app.domain.messages import EventMessage, UserMessage

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def event(user, *, account=None, usual=True):
    return EventMessage(NOW, "Login", account, user, b"{}", usual_account=usual)


def accounts(messages):
    return [message.account for message in messages if isinstance(message, EventMessage)]


def test_only_those_who_ask_are_asked_for():
    said = [event("a"), event("b", account="acme"), event("c", usual=False), event(None)]

    assert homeless(said) == {"a"}
    assert accounts(bring_home(said, {"a": (NOW, "home"), "b": (NOW, "x"), "c": (NOW, "x")})) == [
        "home",
        "acme",
        None,
        None,
    ]


def test_the_latest_link_counts_whether_it_is_stored_or_in_the_same_batch():
    linked = UserMessage(NOW, "a", ("new",), {})

    assert accounts(bring_home([linked, event("a")], {"a": (NOW - timedelta(days=1), "old")})) == ["new"]
    assert accounts(bring_home([linked, event("a")], {"a": (NOW + timedelta(days=1), "newer")})) == ["newer"]
    assert accounts(bring_home([linked, event("a")], {})) == ["new"]


def test_who_belongs_nowhere_stays_without_an_account():
    assert accounts(bring_home([event("a")], {})) == [None]
