"""What both SDKs are told to send: the same calls in the same order, as plain JSON, and what must be stored then."""

import random
from collections import Counter
from dataclasses import dataclass, field

ACCOUNTS, USERS = 40, 120
TRACKS = 10_000


@dataclass(slots=True)
class Stored:
    """What there must be in the workspace, by the customer's own ids."""

    events: Counter = field(default_factory=Counter)  # (serial, name, account, user)
    users: dict = field(default_factory=dict)  # user -> email
    accounts: dict = field(default_factory=dict)  # account -> name
    links: set = field(default_factory=set)  # (account, user)


def write(seed, *, tracks=TRACKS):
    """The calls of a seed: everyone introduces themselves and their company, then things happen."""
    chance = random.Random(seed)
    calls = []
    for number in range(USERS):
        user, account = f"user-{number}", f"account-{number % ACCOUNTS}"
        calls.append({"call": "identify", "user": user, "traits": {"email": f"{user}@customer.test"}})
        traits = {"name": f"Company {number % ACCOUNTS}", "plan": "büro"}
        calls.append({"call": "group", "user": user, "group": account, "traits": traits})
    for serial in range(tracks):
        number = chance.randrange(USERS)
        properties = {"serial": serial, "note": "é" * chance.randint(0, 20), "amount": chance.randint(0, 999) / 4}
        calls.append(
            {
                "call": "track",
                "user": f"user-{number}",
                "group": f"account-{number % ACCOUNTS}",
                "event": f"Thing {serial % 7}",
                "properties": properties,
            }
        )
    return calls


def write_visit(*, tracks=300):
    """What one person does in a browser: they sign in, and then things happen."""
    calls = [
        {"call": "identify", "user": "visitor", "traits": {"email": "visitor@customer.test"}},
        {"call": "group", "user": "visitor", "group": "account-0", "traits": {"name": "Company 0", "plan": "büro"}},
    ]
    for serial in range(tracks):
        event, properties = f"Thing {serial % 7}", {"serial": serial}
        calls.append(
            {"call": "track", "user": "visitor", "group": "account-0", "event": event, "properties": properties}
        )
    return calls


def foretell(calls):
    """What is stored once all calls have arrived, however often and in whatever order."""
    stored = Stored()
    for call in calls:
        if call["call"] == "track":
            stored.events[call["properties"]["serial"], call["event"], call["group"], call["user"]] += 1
        elif call["call"] == "group":
            stored.accounts[call["group"]] = call["traits"]["name"]
            stored.links.add((call["group"], call["user"]))
        else:
            stored.users[call["user"]] = call["traits"]["email"]
    return stored
