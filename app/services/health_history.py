"""How the health of a record moved: the days on which something changed, and one value for every day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from app.db import health
from app.db.base import Session

OTHERS: Final = frozenset({"owner", "organization"})
"""What conditions saw of these is of somebody else, who may be hidden where the record is not."""


@dataclass(frozen=True, slots=True)
class Point:
    """The health at the end of a day, or now."""

    day: date
    score: Decimal | float | None
    label: str | None


async def page(
    db: Session, workspace_id: UUID, record_id: UUID, *, before: date | None, limit: int, sees_all: bool
) -> Sequence[Mapping[str, Any]]:
    """The days on which something changed, the newest first; each as it was at its end.

    Who does not see everything is not told what was seen of owners and organizations: nobody knows who they were then.
    """
    found = await health.history(db, workspace_id, record_id, before=before, limit=limit)
    return found if sees_all else [{**row, "inputs": [_hushed(one) for one in row["inputs"]]} for row in found]


def _hushed(seen: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**seen, "saw": None} if seen["field"].partition(".")[0] in OTHERS else seen


async def trend(
    db: Session, workspace_id: UUID, record_id: UUID, *, score: str | None, days: int, now: datetime
) -> list[Point]:
    """Health, or one score by its slug, at the end of each of the last days, the oldest first."""
    last = now.astimezone(UTC).date()
    found = await health.series(db, workspace_id, record_id, first=last - timedelta(days=days - 1), last=last)
    return [_point(row, score) for row in found]


def _point(row: Mapping[str, Any], score: str | None) -> Point:
    if score is None:
        return Point(row["day"], row["health"], row["health_label"])
    said = (row["scores"] or {}).get(score) or {}
    return Point(row["day"], said.get("score"), said.get("label"))
