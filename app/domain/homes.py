"""Which account an event counts for when it names its user only: the one this user was last linked to."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from app.domain.messages import EventMessage, Message, UserMessage

Home = tuple[datetime, str]
"""Since when, and which account."""


def homeless(messages: Sequence[Message]) -> set[str]:
    """The users whose usual account is asked for."""
    return {m.user for m in messages if isinstance(m, EventMessage) and _asks(m) and m.user is not None}


def bring_home(messages: Sequence[Message], homes: Mapping[str, Home]) -> list[Message]:
    """The messages with their accounts filled in, from what is stored and what the same batch says."""
    found = dict(homes)
    for message in messages:
        if isinstance(message, UserMessage) and message.accounts:
            latest = (message.at, message.accounts[-1])
            found[message.user] = max(latest, found.get(message.user, latest))
    return [
        replace(m, account=found[m.user][1]) if isinstance(m, EventMessage) and _asks(m) and m.user in found else m
        for m in messages
    ]


def _asks(event: EventMessage) -> bool:
    return event.usual_account and event.account is None
