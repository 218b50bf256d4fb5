"""Foretells, in plain Python and from the messages alone, every row and every letter there must be in the end."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from tests.faults.script import ACTIVE_FROM

NEVER = ("", True)


@dataclass(slots=True)
class Foretold:
    """Everything is keyed by the number of the workspace and the customer's own ids."""

    events: set = field(default_factory=set)  # (workspace, serial, account, user, name, at)
    traits: dict = field(default_factory=dict)  # (workspace, account) -> {trait: value}
    links: dict = field(default_factory=dict)  # (workspace, account, user) -> linked now
    days: set = field(default_factory=set)  # (workspace, user, date)
    counts: Counter = field(default_factory=Counter)  # (workspace, account) -> events
    sessions: Counter = field(default_factory=Counter)  # (workspace, user) -> days
    owners: dict = field(default_factory=dict)  # (workspace, account) -> user
    alerts: set = field(default_factory=set)  # (workspace, account)
    letters: set = field(default_factory=set)  # (workspace, endpoint, type, account)


def foretell(messages):
    """`messages` maps (workspace, message id) to the message; their order does not matter."""
    found = Foretold()
    said = defaultdict(lambda: NEVER)
    stamps = {}
    for (workspace, _), message in messages.items():
        READ[message["type"]](found, said, stamps, workspace, message)
    found.links = {link: not (said[link][1]) for link in said}
    found.sessions = Counter((workspace, user) for workspace, user, _ in found.days)
    _derive(found, stamps)
    return found


def _account(found, _said, stamps, workspace, message):
    account = (workspace, message["accountId"])
    kept = found.traits.setdefault(account, {})
    for trait, value in message["traits"].items():
        if message["timestamp"] > stamps.get((account, trait), ""):
            stamps[account, trait] = message["timestamp"]
            kept[trait] = value


def _user(found, said, _stamps, workspace, message):
    for account in [message.get("accountId"), *message.get("accountIds", [])]:
        if account is not None:
            found.traits.setdefault((workspace, account), {})
            link = (workspace, account, message["userId"])
            said[link] = max(said[link], (message["timestamp"], False))


def _unlink(_found, said, _stamps, workspace, message):
    link = (workspace, message["accountId"], message["userId"])
    said[link] = max(said[link], (message["timestamp"], True))


def _event(found, said, _stamps, workspace, message):
    account, user = message.get("accountId"), message.get("userId")
    at = datetime.fromisoformat(message["timestamp"])
    found.events.add((workspace, message["properties"]["serial"], account, user, message["event"], at))
    if account is not None:
        found.counts[workspace, account] += 1
        found.traits.setdefault((workspace, account), {})
    if user is not None:
        found.days.add((workspace, user, at.date()))
    if account is not None and user is not None:
        link = (workspace, account, user)
        said[link] = max(said[link], ("0", False))  # an event implies a link; any statement outranks that


READ = {"account": _account, "user": _user, "unlink": _unlink, "event": _event}


def _derive(found, stamps):
    for account, traits in found.traits.items():
        owner = traits.get("ownerId")
        if owner is not None and found.links.get((*account, owner)):
            found.owners[account] = owner
    found.alerts = {account for account, count in found.counts.items() if count >= ACTIVE_FROM}
    for workspace, account in found.owners:
        found.letters.add((workspace, "all", "account.owner_changed", account))
    for workspace, account in found.alerts:
        found.letters |= {(workspace, to, "indicator.activated", account) for to in ("all", "alerts")}
