"""What is said of organizations folds like everything else: the latest word of each kind, whatever the order."""

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.folding import fold as fold_all
from app.domain.messages import (
    SENT,
    EventMessage,
    InstanceMessage,
    OrganizationMessage,
    ParentMessage,
    UserMessage,
)
from app.domain.relations import fold

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
EARLIER = NOW - timedelta(hours=1)


@pytest.mark.parametrize("direction", [1, -1])
def test_the_last_word_on_a_parent_counts_and_no_parent_is_a_word_too(direction):
    told = [ParentMessage(EARLIER, "acme", "group"), ParentMessage(NOW, "acme", None)]

    result = fold(told[::direction])

    assert result.parents["acme"].value is None
    assert list(result.organizations) == ["group"]


@pytest.mark.parametrize("direction", [1, -1])
def test_a_name_or_parent_that_is_not_mentioned_is_left_alone(direction):
    told = [
        InstanceMessage(EARLIER, "ticket", "1", "Printer", "acme", "group", {"open": True}),
        InstanceMessage(NOW, "ticket", "1", None, "globex", None, {"open": None}),
    ]

    (instance,) = fold(told[::direction]).instances.values()

    said = (instance.name.value, instance.account.value, instance.organization.value, instance.party.traits)
    assert said == ("Printer", "globex", "group", {})


@pytest.mark.parametrize("direction", [1, -1])
def test_a_user_is_linked_to_an_organization_by_name_or_by_an_event_there(direction):
    told = [
        UserMessage(NOW, "user-1", (), {}, ("group",)),
        EventMessage(EARLIER, "Login", None, "user-1", b"{}", "group"),
        EventMessage(NOW, SENT, None, "user-2", b"{}", "group"),
    ]

    result = fold(told[::direction])

    assert result.affiliations == {("group", "user-1"): EARLIER, ("group", "user-2"): NOW}
    group = result.organizations["group"]
    assert (group.first_seen_at, group.last_seen_at) == (EARLIER, EARLIER)


def test_an_account_that_is_only_given_a_parent_exists_all_the_same():
    told = [
        ParentMessage(NOW, "acme", "group"),
        InstanceMessage(NOW, "ticket", "1", None, "globex", None, {}),
        OrganizationMessage(NOW, "group", {}),
    ]

    batch = fold_all(told, owner_trait=None)

    assert set(batch.accounts) == {"acme", "globex"}
    assert batch.relations == told


def test_an_event_is_stored_once_with_its_organization_or_without():
    with_one = EventMessage(NOW, "Login", "acme", "user-1", b"{}", "group")
    without = EventMessage(NOW, "Login", "acme", "user-1", b"{}")

    batch = fold_all([with_one, without], owner_trait=None)

    assert (batch.events, batch.relations) == ([without], [with_one])
    assert batch.accounts["acme"].events == 2
