"""What the demo workspace needs around its accounts: the traits map, the team, who looks after whom, the indicators."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from app.demo import script
from app.demo.cast import TEAM, Firm
from app.demo.client import Client

ROLES: Final = (("csm", "csm"), ("accountExecutive", "account_executive"))  # on the wire, in the story
LARGE: Final = {"csm": 100, "accountExecutive": 200}  # from this MRR on, paying accounts have one

INDICATORS: Final[tuple[dict[str, Any], ...]] = (
    {
        "name": "Owner gone quiet",
        "kind": "risk",
        "filter": {
            "all": [
                {"field": "status", "op": "is", "value": "subscribed"},
                {"field": "mrr", "op": "greaterThan", "value": 100},
                {"field": "owner.lastSeenAt", "op": "moreThanDaysAgo", "value": 7},
            ]
        },
        "assignee": {"role": "csm"},
    },
    {
        "name": "Outgrowing the Team plan",
        "kind": "opportunity",
        "filter": {
            "all": [
                {"field": "status", "op": "is", "value": "subscribed"},
                {"field": "traits.plan", "op": "is", "value": "Team"},
                {"field": "users", "op": "atLeast", "value": 5},
            ]
        },
        "assignee": {"role": "accountExecutive"},
    },
)


def set_rules(client: Client) -> None:
    """Conversations are tracked, and the trait that names owners is mapped, before any of it is told."""
    client.call("PATCH", "/workspace", {"conversationTracking": True})
    client.call("PUT", "/trait-map", {"owner": script.OWNER_TRAIT, "mrr": ["mrr"], "status": ["status"]})


def hire(client: Client) -> None:
    """Add the team, except for those who are there."""
    there = {member["email"] for member in client.rows("/members")}
    for colleague in TEAM:
        if colleague.email not in there:
            client.call("POST", "/members", {"email": colleague.email, "name": colleague.name})


def portfolios(client: Client, firms: Iterable[Firm]) -> Iterator[tuple[str, dict[str, str]]]:
    """The requests that give paying accounts a CSM and an executive, except where somebody holds the role."""
    held = {account["externalId"]: {role for role, _ in ROLES if account[role]} for account in client.rows("/accounts")}
    for number, firm in enumerate(firms):
        for role, group in ROLES:
            team = [colleague for colleague in TEAM if colleague.role == group]
            wanted = firm.plot.status == "subscribed" and firm.mrr >= LARGE[role]
            if wanted and role not in held.get(firm.external_id, set()):
                member = team[number % len(team)].email
                yield f"/accounts/{firm.external_id}/key-roles/{role}", {"member": member}


def choose_owners(client: Client, firms: list[Firm]) -> None:
    """Somebody decides by hand, unless it has been done."""
    for account, user in script.chosen_owners(firms).items():
        if client.call("GET", f"/accounts/{account}/owner")["source"] != "manual":
            client.call("PUT", f"/accounts/{account}/owner", {"user": user, "source": "manual", "by": "Mina Castell"})


def watch(client: Client) -> None:
    """Create the indicators that are missing. Last of all, so that none fires over a story half told."""
    there = {indicator["name"] for indicator in client.rows("/indicators")}
    for indicator in INDICATORS:
        if indicator["name"] not in there:
            client.call("POST", "/indicators", indicator)
