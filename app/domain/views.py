"""Saved views: which reports may be kept, for whom, and what is said of one that can no longer be made."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from app.domain.errors import Conflict, NotFound, Rejected
from app.domain.fields import Subject
from app.domain.reports import Asked, understand
from app.domain.summaries import gather

MOST_VIEWS: Final = 200  # of one owner

Sharing = Literal["private", "shared"]


class UnknownView(NotFound):
    """There is no such view in this workspace."""

    code = "unknown_view"


class BrokenView(Rejected):
    """The view names something that no longer exists."""

    code = "broken_view"


class TooManyViews(Conflict):
    """The owner has as many views as one may have."""

    code = "too_many_views"


@dataclass(frozen=True, slots=True)
class Broken:
    """Why a view cannot be shown any more."""

    code: str
    detail: str
    errors: list[Mapping[str, str]]


def check(view: Mapping[str, Any]) -> None:
    """Refuse a view that cannot be shown: raises `InvalidFilter`, `InvalidReport`."""
    report = understand(view["columns"], view["filter"], view["sort"], Subject(view["subject"]))
    gather(view["group_by"], view["aggregates"], report.subject)


def broken(view: Mapping[str, Any]) -> Broken | None:
    """What is wrong with a stored view, if anything: what it names may have gone since."""
    try:
        check(view)
    except Rejected as wrong:
        return Broken(wrong.code, wrong.detail, list(wrong.context.get("errors", ())))
    return None


def asked(view: Mapping[str, Any]) -> Asked:
    """The report a view keeps. Raises `BrokenView`."""
    wrong = broken(view)
    if wrong is not None:
        raise BrokenView(f"The view {view['name']!r} cannot be shown. {wrong.detail}", errors=wrong.errors)
    return Asked(columns=view["columns"], filter=view["filter"], sort=view["sort"], scope=view["scope"])
