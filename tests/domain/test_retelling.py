"""What a message was understood to mean, told in our own dialect, is understood to mean the same."""

from dataclasses import replace

import pytest
from hypothesis import given, settings

from app.domain.messages import AccountMessage, Envelope, EventMessage, ParentMessage, UserMessage
from app.domain.retelling import retell
from app.intake.reading import read_item
from tests.domain.test_parcels import NOW, messages

ACCOUNT = AccountMessage(NOW, "acme", {"plan": "pro", "gone": None})


def told(*some):
    return retell(Envelope(some, "m-1", 0))


@pytest.mark.parametrize(
    "some",
    [
        (ACCOUNT,),
        (ACCOUNT, ParentMessage(NOW, "acme", "holding")),
        (ACCOUNT, ParentMessage(NOW, "acme", None)),
        (UserMessage(NOW, "user-1", ("acme", "globex"), {"email": "ada@acme.test"}, ("holding",)),),
        (EventMessage(NOW, "Login", "acme", None, b'{"path":"/x"}', "holding"),),
    ],
)
def test_it_is_read_as_what_it_was(some):
    again = read_item(told(*some), now=NOW)

    assert again.messages == some
    assert again.message_id == "m-1"


def test_what_no_item_can_say_is_shown_in_several():
    user = UserMessage(NOW, "user-1", ("acme",), {})

    found = told(ACCOUNT, user)

    assert found["type"] == "several"
    assert [item["type"] for item in found["items"]] == ["account", "user"]


@settings(deadline=None)
@given(messages)
def test_every_kind_of_message_can_be_told(message):
    if isinstance(message, EventMessage):
        message = replace(message, properties=b"{}")

    assert told(message)["type"]
