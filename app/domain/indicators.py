"""Indicators: who is told, which alerts a fresh look at some accounts opens and closes, and what is said of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID, uuid5

from app.domain import ids
from app.domain.errors import Conflict, NotFound, Rejected
from app.domain.fields import Stage
from app.domain.filters import InvalidFilter, Outcome, Tree, bind, conditions, leaves, parse, parts

MOST_INDICATORS: Final = 200
MOST_TOLD: Final = 20  # conditions in an announcement
LONGEST_TOLD: Final = 200  # characters of one value in an announcement
LONGEST_KEPT: Final = 1000  # characters of one value in an alert

Role = Literal["csm", "account_executive", "member", "nobody"]
Kind = Literal["risk", "opportunity"]


class UnknownIndicator(NotFound):
    """There is no such indicator in this workspace."""

    code = "unknown_indicator"


class UnknownAlert(NotFound):
    """There is no such alert in this workspace."""

    code = "unknown_alert"


class AlertResolved(Conflict):
    """The alert is resolved already."""

    code = "alert_resolved"


class IndicatorArchived(Conflict):
    """The indicator is archived."""

    code = "indicator_archived"


class TooManyIndicators(Conflict):
    """The workspace has as many indicators as it may have."""

    code = "too_many_indicators"


class EmptyFilter(Rejected):
    """An indicator needs at least one condition."""

    code = "empty_filter"


@dataclass(frozen=True, slots=True)
class Assignee:
    """Who an alert is for: the holder of a role at the account, one member, or nobody."""

    role: Role
    member_id: UUID | None = None

    def resolve(self, facts: Mapping[str, Any]) -> UUID | None:
        """The member this means at an account."""
        found: UUID | None = {
            "csm": facts.get("csm"),
            "account_executive": facts.get("accountExecutive"),
            "member": self.member_id,
        }.get(self.role)
        return found


NOBODY: Final = Assignee("nobody")


@dataclass(frozen=True, slots=True)
class Indicator:
    """A live indicator, ready to judge."""

    id: UUID
    name: str
    kind: str
    version: int
    tree: Tree
    assignee: Assignee


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """An alert that is not resolved, with what is said of its indicator."""

    id: UUID
    indicator_id: UUID
    account_id: UUID
    name: str
    kind: str
    assignee_id: UUID | None
    fired_at: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which alerts a list shows; None: whatever."""

    states: tuple[str, ...] | None = None
    indicator_id: UUID | None = None
    account_id: UUID | None = None
    assignee_id: UUID | None = None
    holder_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What a look at some accounts changes: pairs that now hold and have no alert; alerts that no longer hold."""

    fire: Sequence[tuple[UUID, Indicator]]
    resolve: Sequence[tuple[OpenAlert, Indicator | None]]


def condition(source: Any) -> Tree:
    """The filter of an indicator: at least one condition. Raises `InvalidFilter`, `EmptyFilter`, `NeedsMember`."""
    tree = bind(parse(source), None)
    asked = [leaf.fact for part in parts(tree) for leaf in leaves(part)]
    if any(fact.stage is Stage.INDICATORS for fact in asked):
        raise _refused("An indicator cannot ask about `indicators`: they are all decided together.")
    if any(fact.stage is Stage.LAST for fact in asked):
        raise _refused("An indicator cannot ask about `updatedAt` of accounts: it is written after indicators.")
    if next(conditions(tree), None) is None:
        raise EmptyFilter(
            "Add a condition to the filter: without one every account would match.",
            errors=[{"pointer": "#/filter", "detail": "has no condition"}],
        )
    return tree


def _refused(detail: str) -> InvalidFilter:
    return InvalidFilter(f"#/filter: {detail}", errors=[{"pointer": "#/filter", "detail": detail}])


def compare(
    indicators: Sequence[Indicator], holding: Mapping[UUID, Iterable[UUID]], alerts: Iterable[OpenAlert]
) -> Changes:
    """`holding` names, for each account looked at, the indicators that hold. An open alert whose indicator is no
    longer live is resolved."""
    live = {indicator.id: indicator for indicator in indicators}
    unmatched = {(alert.indicator_id, alert.account_id): alert for alert in alerts}
    fire = [
        (account_id, live[indicator_id])
        for account_id, found in holding.items()
        for indicator_id in found
        if unmatched.pop((indicator_id, account_id), None) is None
    ]
    fire.sort(key=lambda pair: (pair[1].id, pair[0]))
    return Changes(fire, [(alert, live.get(alert.indicator_id)) for alert in unmatched.values()])


def event_id(alert_id: UUID, transition: str) -> UUID:
    """The same transition of the same alert is the same event, however often it is said."""
    return uuid5(alert_id, transition)


def record(outcomes: Iterable[Outcome]) -> list[dict[str, Any]]:
    """Conditions as an alert keeps them: long values shortened."""
    return [{**asdict(outcome), "saw": _brief(outcome.saw, LONGEST_KEPT)} for outcome in outcomes]


WITHDRAWN: Final = [
    {
        "field": "indicator.enabled",
        "label": "Indicator: Enabled",
        "op": "isTrue",
        "value": None,
        "saw": False,
        "holds": False,
    }
]
"""Why an alert is resolved when its indicator is switched off or archived."""


def told(why: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Conditions as an announcement carries them: the first few, long values shortened."""
    shown = [one for _, one in zip(range(MOST_TOLD), why, strict=False)]
    return [
        {**one, "value": _brief(one["value"], LONGEST_TOLD), "saw": _brief(one["saw"], LONGEST_TOLD)} for one in shown
    ]


def news(alert: OpenAlert, person: Mapping[str, Any] | None) -> dict[str, Any]:
    """What announcements say of the indicator; the same keys every time."""
    return {
        "id": ids.show("ind", alert.indicator_id),
        "name": alert.name,
        "kind": alert.kind,
        "alertId": ids.show("alr", alert.id),
        "activatedAt": alert.fired_at,
        "assignee": person,
    }


def _brief(value: Any, longest: int) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else str(value)
    if len(text) <= longest:
        return value
    return text[: longest - 1] + "…"
