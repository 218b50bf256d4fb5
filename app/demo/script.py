"""The demo story as messages of the public API, each with an id of its own, so that telling it twice is harmless."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from app.demo import activity, habits
from app.demo.cast import TRIAL_DAYS, Firm, Person
from app.demo.plots import Twist

OWNER_TRAIT: Final = "ownerId"
UNKNOWN: Final = "u_9{:04}"  # users the story never introduces

Message = dict[str, Any]


def messages(firms: list[Firm], seed: int, anchor: datetime) -> Iterator[Message]:
    """Everything the product's backend would have sent by `anchor`: first who there is, then what happened."""
    for firm in firms:
        yield from _introduction(firm, anchor)
    for firm in firms:
        yield from _changes(firm)
        yield from _setups(firm, seed)
    happened = [
        (deed, firm)
        for firm in firms
        for deed in activity.deeds(Random(f"{seed} {firm.external_id}"), firm, anchor)  # noqa: S311 - a story
    ]
    happened.sort(key=lambda pair: (pair[0].at, pair[0].person.external_id, pair[0].name, pair[1].external_id))
    for number, (deed, firm) in enumerate(happened):
        yield {
            "type": "event",
            "messageId": f"demo-event-{number}",
            "timestamp": shown(deed.at),
            "accountId": firm.external_id,
            "userId": deed.person.external_id,
            "event": deed.name,
            "properties": deed.properties,
        }


def shown(at: datetime) -> str:
    """A time as messages write it."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _introduction(firm: Firm, anchor: datetime) -> Iterator[Message]:
    yield _account(firm, "signup", firm.joined_at, _traits(firm, anchor))
    for person in (*firm.people, *firm.guests):
        yield _user(firm, person)


def _account(firm: Firm, about: str, at: datetime, traits: dict[str, Any]) -> Message:
    return {
        "type": "account",
        "messageId": f"demo-{firm.external_id}-{about}",
        "timestamp": shown(at),
        "accountId": firm.external_id,
        "traits": traits,
    }


def _user(firm: Firm, person: Person) -> Message:
    return {
        "type": "user",
        "messageId": f"demo-{firm.external_id}-{person.external_id}",
        "timestamp": shown(person.joined_at),
        "userId": person.external_id,
        "accountId": firm.external_id,
        "traits": {
            "name": person.name,
            "email": person.email,
            "title": person.title,
            "createdAt": shown(person.joined_at),
        },
    }


def _traits(firm: Firm, anchor: datetime) -> dict[str, Any]:
    traits: dict[str, Any] = {
        "name": firm.name,
        "plan": firm.plan,
        "mrr": firm.mrr,
        "industry": firm.industry,
        "region": firm.region,
        "seats": firm.seats,
        "createdAt": shown(firm.joined_at),
        "status": "trial" if firm.plot.status == "trial" else "subscribed",
    }
    if firm.plot.status == "trial":
        traits |= {
            "mrr": None,
            "plan": "Trial",
            "trialEndsAt": shown(firm.joined_at + timedelta(days=TRIAL_DAYS)),
        }
    elif firm.plot.status == "subscribed":
        traits["renewsAt"] = shown(_renewal(firm, anchor))
    if firm.twist is not Twist.NOBODY:
        traits[OWNER_TRAIT] = _first_named(firm)
    return traits


def _renewal(firm: Firm, anchor: datetime) -> datetime:
    """The next anniversary."""
    years = (anchor - firm.joined_at) // timedelta(days=365) + 1
    return firm.joined_at + years * timedelta(days=365)


def _first_named(firm: Firm) -> str:
    if firm.twist is Twist.PENDING:
        return UNKNOWN.format(int(firm.external_id.removeprefix("org_")))
    return firm.people[-1 if firm.twist is Twist.CHANGED else 0].external_id


def _changes(firm: Firm) -> Iterator[Message]:
    """What became of the account after it signed up."""
    midway = firm.joined_at + (firm.until - firm.joined_at) * 0.6
    if firm.plot.status == "churned":
        yield _account(firm, "churn", firm.until, {"status": "churned", "churnedAt": shown(firm.until)})
    if firm.plot.status == "ignored":
        yield _account(firm, "ignore", midway, {"status": "ignored"})
    if firm.plot.name == "growing":
        yield _account(firm, "upgrade", midway, {"mrr": firm.mrr + firm.mrr // 10 * 5, "seats": firm.seats + 3})
    if firm.twist is Twist.CHANGED:
        yield _account(firm, "owner", midway, {OWNER_TRAIT: firm.people[0].external_id})
    yield from (_unlink(firm, person) for person in firm.leavers)


def _setups(firm: Firm, seed: int) -> Iterator[Message]:
    """What the account's own servers tell of it; no user did it."""
    for one in habits.setups(seed, firm):
        yield {
            "type": "event",
            "messageId": f"demo-{firm.external_id}-{one.event.split()[-1].lower()}-{one.integration}",
            "timestamp": shown(one.at),
            "accountId": firm.external_id,
            "event": one.event,
            "properties": {"integration": one.integration},
        }


def _unlink(firm: Firm, person: Person) -> Message:
    return {
        "type": "unlink",
        "messageId": f"demo-{firm.external_id}-{person.external_id}-left",
        "timestamp": shown(person.until),
        "userId": person.external_id,
        "accountId": firm.external_id,
    }


def chosen_owners(firms: list[Firm]) -> dict[str, str]:
    """Accounts whose owner a person chose by hand, and whom."""
    return {firm.external_id: firm.owners[1].external_id for firm in firms if firm.twist is Twist.CHOSEN}


def pending(firms: list[Firm]) -> list[str]:
    """Accounts whose trait names somebody unknown."""
    return [firm.external_id for firm in firms if firm.twist is Twist.PENDING]
