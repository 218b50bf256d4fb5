"""Bulk edits: what can be done to many records at once, by whom, and what can become of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from app.domain.errors import Conflict, DomainError, Forbidden, NotFound, Rejected
from app.domain.fields import Subject
from app.domain.team import Permission

MOST_RECORDS: Final = 250_000
MOST_NAMED: Final = 1_000
MOST_OPEN: Final = 10
SAMPLE: Final = 20
REDACTED: Final = "(deleted)"
"""What stands in the place of a value that was set on somebody who was deleted."""
FORGOTTEN_AFTER: Final = timedelta(days=30)
LOOK_AGAIN_AFTER: Final = timedelta(seconds=5)
AT_WORK: Final = ("waiting", "running")

State = Literal["waiting", "running", "done", "cancelled", "failed"]
Result = Literal["changed", "unchanged", "failed"]
ActionType = Literal["setTraits", "assignKeyRole", "addToSegment", "removeFromSegment", "setStatus"]

NEEDED: Final[Mapping[ActionType, Permission]] = {
    "setTraits": Permission.EDIT_TRAITS,
    "assignKeyRole": Permission.ASSIGN_ROLES,
    "addToSegment": Permission.CHANGE_SEGMENTS,
    "removeFromSegment": Permission.CHANGE_SEGMENTS,
    "setStatus": Permission.CHANGE_STATUS,
}
"""What the caller must be allowed to do."""


class UnknownBulkEdit(NotFound):
    """There is no such bulk edit in this workspace."""

    code = "unknown_bulk_edit"


class TooManyBulkEdits(Conflict):
    """The workspace has as many unfinished bulk edits as it can."""

    code = "too_many_bulk_edits"


class TooManyRecords(Rejected):
    """The filter keeps more records than one bulk edit changes."""

    code = "too_many_records"


class UnsuitableAction(Rejected):
    """This cannot be done to records of this kind."""

    code = "unsuitable_action"


class AuthorGone(Forbidden):
    """Who asked for the bulk edit may not do anything here any more."""

    code = "author_gone"


class BulkEditStopped(DomainError):
    """The bulk edit stopped because of a fault of ours."""

    code = "bulk_edit_stopped"


@dataclass(frozen=True, slots=True)
class Edit:
    """What is to be done, as it is stored: names in `action` have become ids. `by` is who asked for it."""

    subject: Subject
    action: Mapping[str, Any]
    by: str
    now: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a record; a failure has a code."""

    result: Result
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """What a record would be changed from, and to, as JSON."""

    before: Any
    after: Any


CHANGED: Final = Outcome("changed")
UNCHANGED: Final = Outcome("unchanged")
GONE: Final = Outcome("failed", "unknown_record")
NOT_STORED: Final = Outcome("failed", "not_stored")

Outcomes = Mapping[UUID, Outcome]
Differences = Mapping[UUID, Difference]
