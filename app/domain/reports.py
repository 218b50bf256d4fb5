"""What a report asks for: a subject, columns, a filter, an order, a scope; and what it shows when nothing is said."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, Literal
from uuid import UUID

from app.domain.errors import NotFound, Rejected
from app.domain.fields import READINGS, Fact, Op, Subject, Type, UnknownFact, find
from app.domain.filters import AllOf, Leaf, NeedsMember, Tree, bind, parse
from app.domain.filters.tree import TICK, Span

DEFAULT_COLUMNS: Final[Mapping[Subject, tuple[str, ...]]] = {
    Subject.ACCOUNTS: ("name", "status", "mrr", "csm", "owner.email", "owner.lastSeenAt", "owner.sessions"),
    Subject.USERS: ("name", "email", "status", "lastSeenAt", "sessions"),
    Subject.ORGANIZATIONS: ("name", "status", "mrr", "accounts", "users", "lastSeenAt"),
}
COUNTED: Final = 10_000  # a count stops here
UPDATED: Final = "updatedAt"
FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2999
NEVER_CHANGE: Final = frozenset({"id", "externalId", "createdAt"})  # as true then as they are now

Scope = Literal["all", "mine"]
NO_LIMITS: Final = AllOf(())


class InvalidReport(Rejected):
    """The report cannot be made as asked."""

    code = "invalid_report"


class UnknownReport(NotFound):
    """There are no reports on this."""

    code = "unknown_report"


class NoHistory(Rejected):
    """The report asks for facts as they were, which are only known as they are."""

    code = "no_history"


@dataclass(frozen=True, slots=True)
class Asked:
    """A report as someone asks for it: JSON that is not understood yet."""

    columns: Sequence[str] | None = None
    filter: Any = None
    sort: Sequence[Mapping[str, Any]] = ()
    scope: Scope = "all"
    as_of: datetime | None = None
    updated_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """One sort key; missing values come last in both directions."""

    fact: Fact
    reading: Type
    descending: bool


@dataclass(frozen=True, slots=True)
class Report:
    """A report, understood. `digest` names its filter and order: a place in one report means nothing in another.

    `filter`, order and columns are read as of `as_of` where it is given; `within`, what the asker may and wants to see
    at all, is always read as of now. `follows`: it tells what changed since some instant.
    """

    columns: tuple[Fact, ...]
    filter: Tree
    order: tuple[Order, ...]
    digest: str
    subject: Subject = Subject.ACCOUNTS
    within: Tree = NO_LIMITS
    as_of: datetime | None = None
    follows: bool = False


def subject_of(name: str) -> Subject:
    """The subject behind its name in an address. Raises `UnknownReport`."""
    try:
        return Subject(name)
    except ValueError:
        raise UnknownReport(f"There are reports on {', '.join(Subject)}.") from None


def understand(
    columns: Sequence[str] | None,
    source: Any,
    sort: Sequence[Mapping[str, Any]],
    subject: Subject = Subject.ACCOUNTS,
) -> Report:
    """The report behind its JSON. Raises `InvalidFilter`, `InvalidReport` with a pointer, or both kinds of kin."""
    names = DEFAULT_COLUMNS[subject] if columns is None else columns
    facts = tuple(fact_at(f"#/columns/{ix}", name, subject) for ix, name in enumerate(names))
    order = tuple(_order(key, f"#/sort/{ix}", subject) for ix, key in enumerate(sort))
    paths = [key.fact.path for key in order]
    if len(set(paths)) < len(paths):
        raise refuse("#/sort", "Sort by each field once.")
    tree = NO_LIMITS if source is None else parse(source, subject)
    return Report(facts, tree, order, _digest([subject, source, [dict(key) for key in sort]]), subject)


def prepare(asked: Asked, subject: Subject, *, me: UUID | None, visible: Tree | None) -> Report:
    """The report someone asks for, bound to who asks: `me`, who may see what `visible` holds for.

    Raises what `understand` raises, and `NeedsMember`.
    """
    for at, pointer in ((asked.as_of, "#/asOf"), (asked.updated_after, "#/updatedAfter")):
        if at is not None and not FIRST_YEAR <= at.year <= LAST_YEAR:
            raise refuse(pointer, f"Give an instant of the years {FIRST_YEAR} to {LAST_YEAR}.")
    report = understand(asked.columns, asked.filter, asked.sort or _by_change(asked), subject)
    wanted: list[Tree] = [] if visible is None else [visible]
    if asked.scope == "mine":
        wanted.append(bind(parse(mine(subject, me), subject), me))
    if asked.updated_after is not None:
        wanted.append(_changed(subject, asked.updated_after))
    return replace(
        report,
        filter=bind(report.filter, me),
        within=AllOf(tuple(wanted)),
        as_of=asked.as_of,
        follows=asked.updated_after is not None,
        digest=_digest([report.digest, asked.scope, me, asked.as_of, asked.updated_after]),
    )


def mine(subject: Subject, me: UUID | None) -> Mapping[str, Any]:
    """The filter that keeps what a member looks after in any key role: also through accounts, and users only so."""
    if me is None:
        raise NeedsMember("`mine` means the accounts of the member who asks. Sign in, or filter by a key role.")
    held = {"field": "roleHolders", "op": Op.IS_ME}
    through = {"related": "accounts", "op": "atLeast", "count": 1, "where": held}
    match subject:
        case Subject.ACCOUNTS:
            return held
        case Subject.USERS:
            return through
        case Subject.ORGANIZATIONS:
            return {"any": [held, through]}


def _changed(subject: Subject, after: datetime) -> Leaf:
    return Leaf(find(UPDATED, subject), Type.DATETIME, Op.AFTER, Span(after + TICK, None), after.isoformat())


def _by_change(asked: Asked) -> Sequence[Mapping[str, Any]]:
    return () if asked.updated_after is None else ({"field": UPDATED, "direction": "asc"},)


def _digest(asked: Any) -> str:
    return sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()[:32]  # numbers of any size


def _order(key: Mapping[str, Any], pointer: str, subject: Subject) -> Order:
    fact = fact_at(f"{pointer}/field", key["field"], subject)
    if not fact.sortable:
        raise refuse(f"{pointer}/field", f"`{fact.path}` has no order; sort by another field.")
    return Order(fact, reading_of(fact, key.get("type"), pointer), key.get("direction") == "desc")


def reading_of(fact: Fact, stated: str | None, pointer: str) -> Type:
    """What a fact's values are read as: its own type, and for a trait the one stated, or text."""
    if fact.key is None and stated not in (None, fact.type):
        raise refuse(f"{pointer}/type", f"`{fact.path}` is of type {fact.type}; leave `type` out.")
    if fact.key is not None and stated not in (None, *READINGS):
        raise refuse(f"{pointer}/type", f"A trait is read as one of: {', '.join(READINGS)}.")
    return fact.type if fact.key is None else Type(stated or Type.TEXT)


def fact_at(pointer: str, path: str, subject: Subject) -> Fact:
    """The fact a path names; InvalidReport with the pointer otherwise."""
    try:
        return find(path, subject)
    except UnknownFact as unknown:
        raise refuse(pointer, unknown.detail) from unknown


def refuse(pointer: str, detail: str) -> InvalidReport:
    """The refusal that points at the part it is about."""
    return InvalidReport(f"{pointer}: {detail}", errors=[{"pointer": pointer, "detail": detail}])
