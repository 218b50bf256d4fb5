"""The fact catalogue: every fact that reports, filters, segments and indicators may name, each with its type.

One catalogue per subject: accounts, users and organizations are asked about in the same language.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal

from app.domain.errors import Rejected

TRAIT_PREFIX: Final = "traits."
LONGEST_TRAIT_KEY: Final = 256


class UnknownFact(Rejected):
    """The catalogue of facts has no such field."""

    code = "unknown_fact"


class Subject(StrEnum):
    """What a filter, a report or a segment is about."""

    ACCOUNTS = "accounts"
    USERS = "users"
    ORGANIZATIONS = "organizations"


class Type(StrEnum):
    """What a fact's values are. A `trait` is read as text, number, datetime or boolean, as the condition asks."""

    TEXT = "text"
    NUMBER = "number"
    DATETIME = "datetime"
    BOOLEAN = "boolean"
    SELECT = "select"
    PERSON = "person"
    ID = "id"
    TRAIT = "trait"


class Op(StrEnum):
    """Every operator of the filter language; docs/filters.md says what each means."""

    IS = "is"
    IS_NOT = "isNot"
    IS_ANY_OF = "isAnyOf"
    IS_NONE_OF = "isNoneOf"
    CONTAINS = "contains"
    DOES_NOT_CONTAIN = "doesNotContain"
    STARTS_WITH = "startsWith"
    ENDS_WITH = "endsWith"
    GREATER_THAN = "greaterThan"
    AT_LEAST = "atLeast"
    LESS_THAN = "lessThan"
    AT_MOST = "atMost"
    BETWEEN = "between"
    BEFORE = "before"
    AFTER = "after"
    ON = "on"
    MORE_THAN_DAYS_AGO = "moreThanDaysAgo"
    LESS_THAN_DAYS_AGO = "lessThanDaysAgo"
    IN_LAST_DAYS = "inLastDays"
    MORE_THAN_DAYS_FROM_NOW = "moreThanDaysFromNow"
    LESS_THAN_DAYS_FROM_NOW = "lessThanDaysFromNow"
    IN_NEXT_DAYS = "inNextDays"
    IS_TRUE = "isTrue"
    IS_FALSE = "isFalse"
    IS_SET = "isSet"
    IS_NOT_SET = "isNotSet"


_SAME = (Op.IS, Op.IS_NOT, Op.IS_ANY_OF, Op.IS_NONE_OF)
_SET = (Op.IS_SET, Op.IS_NOT_SET)
_WORDS = (Op.CONTAINS, Op.DOES_NOT_CONTAIN, Op.STARTS_WITH, Op.ENDS_WITH)
_ORDER = (Op.GREATER_THAN, Op.AT_LEAST, Op.LESS_THAN, Op.AT_MOST, Op.BETWEEN)
_DATES = (Op.BEFORE, Op.AFTER, Op.ON, Op.BETWEEN)
_CLOCK = (
    Op.MORE_THAN_DAYS_AGO,
    Op.LESS_THAN_DAYS_AGO,
    Op.IN_LAST_DAYS,
    Op.MORE_THAN_DAYS_FROM_NOW,
    Op.LESS_THAN_DAYS_FROM_NOW,
    Op.IN_NEXT_DAYS,
)

OPERATORS: Final[Mapping[Type, tuple[Op, ...]]] = MappingProxyType(
    {
        Type.TEXT: (*_SAME, *_WORDS, *_SET),
        Type.NUMBER: (*_SAME, *_ORDER, *_SET),
        Type.DATETIME: (*_DATES, *_CLOCK, *_SET),
        Type.BOOLEAN: (Op.IS_TRUE, Op.IS_FALSE, *_SET),
        Type.SELECT: (*_SAME, *_SET),
        Type.PERSON: (*_SAME, *_SET),
        Type.ID: _SAME,
        Type.TRAIT: tuple(Op),
    }
)

Table = Literal[
    "accounts", "account_facts", "users", "user_facts", "user_activity", "organizations", "organization_facts"
]

READINGS: Final = (Type.TEXT, Type.NUMBER, Type.DATETIME, Type.BOOLEAN)  # what a trait can be read as


@dataclass(frozen=True, slots=True)
class Fact:
    """One entry: where its values live and what may be asked of them. Values of a trait live under `column[key]`."""

    path: str
    label: str
    type: Type
    table: Table
    column: str
    nullable: bool = True
    options: tuple[str, ...] = ()
    key: str | None = None
    sortable: bool = True

    @property
    def operators(self) -> tuple[Op, ...]:
        """The operators a condition on this fact may use."""
        return OPERATORS[self.type]


def _of(table: Table) -> Callable[..., Fact]:
    def fact(path: str, label: str, type_: Type, column: str, *, nullable: bool = True, options: str = "") -> Fact:
        return Fact(path, label, type_, table, column, nullable=nullable, options=tuple(options.split()))

    return fact


_fact, _user, _organization = _of("account_facts"), _of("user_facts"), _of("organization_facts")
_moves = _of("user_activity")


_ACCOUNTS = (
    Fact("id", "ID", Type.ID, "account_facts", "account_id", nullable=False),
    Fact("externalId", "External ID", Type.TEXT, "accounts", "external_id", nullable=False),
    Fact("name", "Name", Type.TEXT, "accounts", "name"),
    Fact("createdAt", "Created", Type.DATETIME, "accounts", "created_at", nullable=False),
    _fact("status", "Status", Type.SELECT, "status", nullable=False, options="subscribed trial churned ignored"),
    _fact("mrr", "MRR", Type.NUMBER, "mrr"),
    _fact("users", "Users", Type.NUMBER, "users", nullable=False),
    _fact("events", "Events", Type.NUMBER, "events", nullable=False),
    _fact("firstSeenAt", "First seen", Type.DATETIME, "first_seen_at"),
    _fact("lastSeenAt", "Last seen", Type.DATETIME, "last_seen_at"),
    _fact("csm", "Customer Success Manager", Type.PERSON, "csm_id"),
    _fact("accountExecutive", "Account Executive", Type.PERSON, "account_executive_id"),
    _fact("organization", "Organization: External ID", Type.TEXT, "organization_external_id"),
    _fact("owner", "Owner: External ID", Type.TEXT, "owner_external_id"),
    _fact("owner.name", "Owner: Name", Type.TEXT, "owner_name"),
    _fact("owner.email", "Owner: Email", Type.TEXT, "owner_email"),
    _fact("owner.joinedAt", "Owner: Join date", Type.DATETIME, "owner_joined_at"),
    _fact("owner.lastSeenAt", "Owner: Last seen", Type.DATETIME, "owner_last_seen_at"),
    _fact("owner.sessions", "Owner: Sessions", Type.NUMBER, "owner_sessions"),
    _fact("owner.lastReceivedMessageAt", "Owner: Last received message", Type.DATETIME, "owner_last_received_at"),
    _fact("owner.lastSentMessageAt", "Owner: Last sent message", Type.DATETIME, "owner_last_sent_at"),
    _fact("owner.state", "Owner: State", Type.SELECT, "owner_state", nullable=False, options="none resolved pending"),
    _fact("owner.source", "Owner: Source", Type.SELECT, "owner_source", options="auto_first_user trait manual api"),
    _fact("owner.pending", "Owner: Pending external ID", Type.TEXT, "owner_pending"),
    _fact("owner.since", "Owner: Since", Type.DATETIME, "owner_since"),
)

_USERS = (
    Fact("id", "ID", Type.ID, "users", "id", nullable=False),
    Fact("externalId", "External ID", Type.TEXT, "users", "external_id", nullable=False),
    Fact("name", "Name", Type.TEXT, "users", "name"),
    Fact("email", "Email", Type.TEXT, "users", "email"),
    Fact("createdAt", "Created", Type.DATETIME, "users", "created_at", nullable=False),
    _moves("firstSeenAt", "First seen", Type.DATETIME, "first_seen_at"),
    _moves("lastSeenAt", "Last seen", Type.DATETIME, "last_seen_at"),
    _moves("sessions", "Sessions", Type.NUMBER, "sessions"),
    _moves("lastReceivedMessageAt", "Last received message", Type.DATETIME, "last_received_at"),
    _moves("lastSentMessageAt", "Last sent message", Type.DATETIME, "last_sent_at"),
    _user("status", "Status", Type.SELECT, "status", nullable=False, options="active deactivated"),
    _user("deactivatedAt", "Deactivated", Type.DATETIME, "deactivated_at"),
)

_ORGANIZATIONS = (
    Fact("id", "ID", Type.ID, "organizations", "id", nullable=False),
    Fact("externalId", "External ID", Type.TEXT, "organizations", "external_id", nullable=False),
    Fact("name", "Name", Type.TEXT, "organizations", "name"),
    Fact("createdAt", "Created", Type.DATETIME, "organizations", "created_at", nullable=False),
    _organization(
        "status", "Status", Type.SELECT, "status", nullable=False, options="subscribed trial churned ignored"
    ),
    _organization("mrr", "MRR", Type.NUMBER, "mrr"),
    _organization("accounts", "Accounts", Type.NUMBER, "accounts", nullable=False),
    _organization("users", "Users", Type.NUMBER, "users", nullable=False),
    _organization("firstSeenAt", "First seen", Type.DATETIME, "first_seen_at"),
    _organization("lastSeenAt", "Last seen", Type.DATETIME, "last_seen_at"),
)

CATALOGUES: Final[Mapping[Subject, Mapping[str, Fact]]] = MappingProxyType(
    {
        Subject.ACCOUNTS: MappingProxyType({fact.path: fact for fact in _ACCOUNTS}),
        Subject.USERS: MappingProxyType({fact.path: fact for fact in _USERS}),
        Subject.ORGANIZATIONS: MappingProxyType({fact.path: fact for fact in _ORGANIZATIONS}),
    }
)


def storable(text: str) -> bool:
    """Whether PostgreSQL can hold this text: no NUL, no lone surrogates."""
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


def trait(key: str, subject: Subject = Subject.ACCOUNTS) -> Fact:
    """The entry of one trait; dots in the key belong to the key."""
    return Fact(TRAIT_PREFIX + key, f"Trait: {key}", Type.TRAIT, subject.value, "traits", key=key)


def find(path: str, subject: Subject = Subject.ACCOUNTS) -> Fact:
    """The entry behind a path. Raises `UnknownFact`."""
    known = CATALOGUES[subject].get(path)
    if known is not None:
        return known
    key = path.removeprefix(TRAIT_PREFIX)
    if key != path and 0 < len(key) <= LONGEST_TRAIT_KEY and storable(key):
        return trait(key, subject)
    raise UnknownFact(
        "There is no such field. GET /api/v1/facts lists the fields; a trait is written `traits.` and its key.",
        field=path[:100].encode("utf-8", "replace").decode(),
    )
