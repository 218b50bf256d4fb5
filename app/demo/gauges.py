"""What the demo workspace measures of its accounts: a metric, an element, what people answered, two health scores."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from app.demo import habits, words
from app.demo.cast import Firm
from app.demo.client import Client
from app.demo.script import shown

METRIC: Final[dict[str, Any]] = {
    "name": "Users who export reports",
    "slug": "report_exporters",
    "description": "Of all users, those who exported a report in the last 30 days.",
    "numerator": {"events": [words.ACTIONS[4]], "count": "users", "days": 30},
    "denominator": {"field": "users"},
    "percent": True,
}
ELEMENT: Final[dict[str, Any]] = {
    "name": "Integrations",
    "slug": "integrations",
    "description": "Other tools the account has connected.",
    "create": {"event": habits.CONNECTED},
    "disable": {"event": habits.DISCONNECTED},
    "instanceProperty": "integration",
}


def _bands(field: str, low: float, high: float) -> dict[str, Any]:
    """Poor below `low`, healthy from `high` on."""
    enough, healthy = ({"field": field, "op": "atLeast", "value": one} for one in (low, high))
    poor, not_healthy = ({"field": field, "op": "lessThan", "value": one} for one in (low, high))
    return {"field": field, "healthy": healthy, "concerning": {"all": [enough, not_healthy]}, "poor": poor}


HEALTH: Final[tuple[dict[str, Any], ...]] = (
    {
        "name": "Adoption",
        "slug": "adoption",
        "weight": 2,
        "conditions": [
            {"name": "Users who export reports", **_bands("metrics.report_exporters", 10, 30)},
            {"name": "Integrations", **_bands("elements.integrations", 1, 2)},
            {"name": "Active users", **_bands("activeUserShare", 40, 80)},
        ],
    },
    {"name": "Sentiment", "slug": "sentiment", "conditions": [{"name": "NPS", **_bands("nps", 0, 50)}]},
)


def measure(client: Client) -> None:
    """Define what is missing, after the story: all of it counts. Health comes last, since it asks for the others."""
    for path, wanted in (("/metrics", (METRIC,)), ("/elements", (ELEMENT,)), ("/health-scores", HEALTH)):
        there = {one["slug"] for one in client.rows(path)}
        for one in wanted:
            if one["slug"] not in there:
                client.call("POST", path, one)


def answered(client: Client, seed: int, firms: Iterable[Firm]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The requests that tell what people answered, except what is told already."""
    there = {response["externalId"] for response in client.rows("/nps-responses")}
    for firm in firms:
        for one in habits.answers(seed, firm):
            answer = f"demo-answer-{firm.external_id}-{one.person.external_id}"
            if answer not in there:
                yield "/nps-responses", _told(one) | {"externalId": answer}


def _told(one: habits.Answer) -> dict[str, Any]:
    said = {"userId": one.person.external_id, "score": one.score, "feedback": one.feedback}
    return {**said, "respondedAt": shown(one.at)}
