"""Bulk imports: what a file may be about, which fields its columns may feed, and the names that are understood."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal, get_args

from app.domain.errors import Conflict, NotFound, Rejected

Kind = Literal["accounts", "users", "events", "nps_responses"]
Format = Literal["csv", "jsonl"]
State = Literal["uploading", "checking", "checked", "running", "done", "cancelled", "failed"]

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
FORMATS: Final[tuple[Format, ...]] = get_args(Format)
OPEN: Final[tuple[State, ...]] = ("uploading", "checking", "checked", "running", "failed")
"""As long as an import is in one of these, sending the same file again goes on with it."""
AT_WORK: Final[tuple[State, ...]] = ("checking", "running")

PART_BYTES: Final = 1024 * 1024
MOST_PARTS: Final = 10_000
MOST_OPEN: Final = 20
MOST_ERRORS: Final = 10_000
"""Row errors kept per import; the rest is counted."""
EXCERPT: Final = 300
ABANDONED_AFTER: Final = timedelta(days=7)
FORGOTTEN_AFTER: Final = timedelta(days=30)

MESSAGE: Final[Mapping[Kind, str]] = {
    "accounts": "account",
    "users": "user",
    "events": "event",
    "nps_responses": "npsResponse",
}
BAG: Final[Mapping[Kind, str]] = {"accounts": "traits", "users": "traits", "events": "properties"}
"""Where a column goes that feeds no field; NPS responses have no such place, and leave it out."""

SYNONYMS: Final[Mapping[Kind, Mapping[str, Sequence[str]]]] = {
    "accounts": {
        "accountId": ("accountid", "companyid", "customerid", "groupid", "externalid", "id", "account"),
        "organizationId": ("organizationid", "organisationid", "orgid"),
        "name": ("name", "accountname", "companyname", "company", "customer"),
        "timestamp": ("timestamp",),
        "messageId": ("messageid",),
    },
    "users": {
        "userId": ("userid", "externalid", "id", "user"),
        "accountId": ("accountid", "companyid", "customerid", "groupid", "account"),
        "accountIds": ("accountids", "accounts"),
        "organizationId": ("organizationid", "organisationid", "orgid"),
        "organizationIds": ("organizationids", "organisationids"),
        "email": ("email", "emailaddress", "mail"),
        "name": ("name", "fullname"),
        "timestamp": ("timestamp",),
        "messageId": ("messageid",),
    },
    "events": {
        "event": ("event", "eventname", "name"),
        "userId": ("userid", "distinctid", "user"),
        "accountId": ("accountid", "companyid", "customerid", "groupid", "account"),
        "organizationId": ("organizationid", "organisationid", "orgid"),
        "timestamp": ("timestamp", "time", "occurredat", "eventtime", "datetime", "date"),
        "messageId": ("messageid", "insertid", "eventid"),
    },
    "nps_responses": {
        "userId": ("userid", "user", "distinctid", "respondentid"),
        "score": ("score", "npsscore", "rating", "nps", "answer"),
        "feedback": ("feedback", "comment", "comments", "reason", "verbatim", "npsfeedback"),
        "respondedAt": ("respondedat", "timestamp", "answeredat", "date", "time", "datetime"),
        "externalId": ("externalid", "responseid", "id"),
        "messageId": ("messageid",),
    },
}
"""The fields of each kind, each with the column names that are taken for it, the best first."""

NEEDED: Final[Mapping[Kind, Sequence[Sequence[str]]]] = {
    "accounts": (("accountId",),),
    "users": (("userId",),),
    "events": (("event",), ("userId", "accountId", "organizationId")),
    "nps_responses": (("userId",), ("score",)),
}
"""Of each of these groups a file needs a column."""

SEVERAL: Final = frozenset({"accountIds", "organizationIds"})
"""Fields whose cells may name more than one, parted by `;` or `|`."""
AS_TEXT: Final = ":text"
IGNORED: Final = ""
_BLANKS: Final = re.compile(r"[\W_]+")


class UnknownImport(NotFound):
    """There is no such import in this workspace."""

    code = "unknown_import"


class ImportClosed(Conflict):
    """The import is not in a state that allows this."""

    code = "import_closed"


class ImportIncomplete(Conflict):
    """Parts of the file are missing."""

    code = "import_incomplete"


class TooManyImports(Conflict):
    """The workspace has as many unfinished imports as it may have."""

    code = "too_many_imports"


class ImportTooLarge(Rejected):
    """The file is larger than an import may be."""

    code = "import_too_large"


class UnknownTarget(Rejected):
    """A column is mapped to a field that rows of this kind do not have."""

    code = "unknown_target"


class BadFile(Rejected):
    """The file cannot be read as what it is said to be."""

    code = "unreadable_file"


class ChecksumMismatch(BadFile):
    """The file that arrived is not the one that was announced."""

    code = "checksum_mismatch"


class DuplicateColumn(BadFile):
    """Two columns have the same name."""

    code = "duplicate_column"


class UnknownColumn(BadFile):
    """The mapping names a column that the file does not have."""

    code = "unknown_column"


class MissingColumn(BadFile):
    """The file has no column for a field that every row needs."""

    code = "missing_column"


class BrokenRows(BadFile):
    """Too many rows open a quote that is never closed."""

    code = "too_many_broken_rows"


def check_mapping(kind: Kind, mapping: Mapping[str, str]) -> None:
    """Raise `UnknownTarget` unless every column is mapped to a field of its own, a trait, or nothing."""
    taken: set[str] = set()
    for column, target in mapping.items():
        if target == IGNORED:
            continue
        bare = target.removesuffix(AS_TEXT)
        bag, _, name = bare.partition(".")
        if bare not in SYNONYMS[kind] and not (bag == BAG.get(kind) and name):
            known = ", ".join([*SYNONYMS[kind], *(f"{place}.…" for place in (BAG.get(kind),) if place)])
            raise UnknownTarget(f"{column!r} is mapped to {target!r}; {kind} have {known}.", column=column)
        if bare in taken:
            raise UnknownTarget(f"Two columns are mapped to {bare!r}.", column=column)
        taken.add(bare)


def targets(kind: Kind, columns: Sequence[str], mapping: Mapping[str, str]) -> tuple[str, ...]:
    """What each column feeds: a field, `traits.…` or `properties.…`, or nothing.

    What is mapped goes as mapped; then each field left takes the column that is named best for it; every other column
    with a name is a trait of that name. Raises `UnknownColumn`, `MissingColumn`.
    """
    if strange := sorted(mapping.keys() - set(columns)):
        raise UnknownColumn(f"The file has no column {strange[0]!r}; it has {', '.join(columns)[:300]}.")
    found = dict(mapping)
    taken = {target.removesuffix(AS_TEXT) for target in mapping.values()}
    plain = {_BLANKS.sub("", column.casefold()): column for column in reversed(columns) if column not in mapping}
    for field, names in SYNONYMS[kind].items():
        best = next((plain[name] for name in names if name in plain and plain[name] not in found), None)
        if best is not None and field not in taken:
            found[best] = field
    chosen = tuple(found[column] if column in found else _in_bag(kind, column) for column in columns)
    _check_needed(kind, columns, {target.removesuffix(AS_TEXT) for target in chosen if target})
    _check_alone(kind, chosen)
    return chosen


def _in_bag(kind: Kind, column: str) -> str:
    if kind not in BAG:
        return IGNORED
    bag = f"{BAG[kind]}."
    return column if column.startswith(bag) else f"{bag}{column}" if column else IGNORED


def _check_alone(kind: Kind, chosen: Sequence[str]) -> None:
    """A name or email is a trait, too: `name` and `traits.name` are one place."""
    bare = [target.removesuffix(AS_TEXT).removeprefix(f"{BAG.get(kind)}.") for target in chosen if target]
    if twice := sorted({name for name in bare if bare.count(name) > 1}):
        raise DuplicateColumn(f"Two columns feed {twice[0]!r}: rename one, or map it to something else.")


def _check_needed(kind: Kind, columns: Sequence[str], fed: set[str]) -> None:
    for group in NEEDED[kind]:
        if not fed & set(group):
            wanted = " or ".join(group)
            raise MissingColumn(
                f"No column is taken for {wanted}: map one, as in {{{columns[0]!r}: {group[0]!r}}}. "
                f"The columns are {', '.join(columns)[:300]}."
            )


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a file has been read: where the next row begins, and the number of the last one.

    `broken` counts rows with a quote that is never closed; `skipping`: the rest of an endless line is passed over.
    """

    at: int = 0
    row: int = 0
    broken: int = 0
    skipping: bool = False


@dataclass(frozen=True, slots=True)
class RowFault:
    """What is wrong with one row. `excerpt` is the beginning of its text."""

    number: int
    code: str
    detail: str
    excerpt: str
    pointer: str | None = None
    column: str | None = None


def excerpt(raw: bytes) -> str:
    """The beginning of a row's text, as it can be stored and shown."""
    shown = raw[: EXCERPT * 4].decode("utf-8", "replace").rstrip("\r\n")
    return shown[:EXCERPT].replace("\0", "\N{REPLACEMENT CHARACTER}")


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the rows of a slice."""

    rows_read: int = 0
    accepted: int = 0
    duplicates: int = 0
    suppressed: int = 0
    rejected: int = 0


SAMPLES: Final[Mapping[str, str]] = {
    "accounts.csv": """\
accountId,name,plan,mrr,ownerId,traits.region
acme,Acme Inc.,Team,250,ada,EMEA
globex,"Globex, Ltd.",Free,0,,
initech,Initech,Team,99.50,bill,US
""",
    "users.csv": """\
userId,accountId,email,name,role
ada,acme,ada@acme.test,Ada Lovelace,admin
grace,acme,grace@acme.test,Grace Hopper,
bill,initech,bill@initech.test,Bill Lumbergh,manager
""",
    "events.csv": """\
event,userId,accountId,timestamp,messageId,properties.format
Report Exported,ada,acme,2026-03-01T09:30:00Z,export-1,pdf
Report Exported,grace,acme,2026-03-01T10:05:00Z,export-2,csv
Signed In,bill,initech,2026-03-02T08:00:00Z,sign-in-1,
""",
    "nps_responses.csv": """\
userId,score,feedback,respondedAt,externalId
ada,9,"Saves us hours, every week",2026-03-01T09:30:00Z,answer-1
grace,7,,2026-03-01T10:05:00Z,answer-2
bill,3,Too slow on Mondays,2026-03-02T08:00:00Z,answer-3
""",
    "accounts.jsonl": """\
{"accountId": "acme", "traits": {"name": "Acme Inc.", "plan": "Team", "mrr": 250, "ownerId": "ada"}}
{"accountId": "globex", "traits": {"name": "Globex, Ltd.", "plan": "Free", "mrr": 0}}
""",
    "users.jsonl": """\
{"userId": "ada", "accountId": "acme", "traits": {"email": "ada@acme.test", "name": "Ada Lovelace"}}
{"userId": "bill", "accountIds": ["initech", "acme"], "traits": {"email": "bill@initech.test"}}
""",
    "events.jsonl": """\
{"event": "Report Exported", "userId": "ada", "accountId": "acme", "timestamp": "2026-03-01T09:30:00Z"}
{"event": "Signed In", "userId": "bill", "messageId": "sign-in-1", "properties": {"device": "phone"}}
""",
    "nps_responses.jsonl": """\
{"userId": "ada", "score": 9, "feedback": "Saves us hours, every week", "respondedAt": "2026-03-01T09:30:00Z"}
{"userId": "bill", "score": 3, "respondedAt": "2026-03-02T08:00:00Z", "externalId": "answer-3"}
""",
}
"""Files that import as they are."""
