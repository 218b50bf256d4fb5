"""The fact catalogue: every fact that reports, filters, segments and indicators may name, each with its type.

One catalogue per subject: accounts, users and organizations are asked about in the same language.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any, Final, Literal

from app.domain.errors import Rejected
from app.domain.operators import MOVES, OPERATORS, READINGS, TRAIT_READINGS, Op, Quantity, Type

__all__ = [
    "CATALOGUES",
    "OPERATORS",
    "READINGS",
    "RELATIONS",
    "TRAIT_READINGS",
    "Fact",
    "Op",
    "Quantity",
    "Relation",
    "Subject",
    "Type",
    "UnknownFact",
    "find",
    "storable",
    "trait",
]

TRAIT_PREFIX: Final = "traits."
PARENT_PREFIX: Final = "organization."
LONGEST_TRAIT_KEY: Final = 256
SLUG: Final = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")
"""How key roles, metrics, elements and health scores are named in paths."""


class UnknownFact(Rejected):
    """The catalogue of facts has no such field."""

    code = "unknown_fact"


class Subject(StrEnum):
    """What a filter, a report or a segment is about."""

    ACCOUNTS = "accounts"
    USERS = "users"
    ORGANIZATIONS = "organizations"


class Stage(IntEnum):
    """When in an evaluation a fact is decided: a rule may ask about what was decided before it."""

    FACTS = 0
    STATUS = 1
    METRICS = 2
    SEGMENTS = 3
    HEALTH = 4
    INDICATORS = 5
    LAST = 6


Table = Literal[
    "accounts",
    "account_facts",
    "alerts",
    "memberships",
    "users",
    "user_facts",
    "user_activity",
    "organizations",
    "organization_facts",
    "account_totals",
    "organization_totals",
]


@dataclass(frozen=True, slots=True)
class Fact:
    """One entry: where its values live and what may be asked of them.

    `key` is the key of a trait, `slot` that of a key role, metric, element or health score: their values live under it
    in `column`; or the name of an event, whose totals have columns. `prefix` is that of the ids which are its values.
    `fallback` is what a record has that was never evaluated. Facts of an account's organization come `via` it. `stage`
    says when it is decided.
    """

    path: str
    label: str
    type: Type
    table: Table
    column: str
    nullable: bool = True
    options: tuple[str, ...] = ()
    key: str | None = None
    sortable: bool = True
    prefix: str = ""
    slot: str | None = None
    fallback: Any = None
    via: Literal["organization"] | None = None
    history: bool = False
    stage: Stage = Stage.FACTS

    @property
    def operators(self) -> tuple[Op, ...]:
        """The operators a condition on this fact may use."""
        found = OPERATORS[self.type]
        if self.type is Type.MULTI and self.prefix == "mem":
            found = (*found, Op.IS_ME)
        if self.type is Type.ID and self.nullable:
            found = (*found, Op.IS_SET, Op.IS_NOT_SET)
        return (*found, *MOVES) if self.history else found


def subject_of(fact: Fact) -> Subject:
    """Of accounts or of organizations: whose facts stand in the same places."""
    return Subject.ORGANIZATIONS if fact.table.startswith("organization") else Subject.ACCOUNTS


FALLBACKS: Final[Mapping[Type, Any]] = MappingProxyType({Type.NUMBER: 0, Type.BOOLEAN: False, Type.MULTI: ()})


DERIVED: Final[Mapping[str, Stage]] = MappingProxyType(
    {
        **dict.fromkeys(("status", "status_source", "status_since", "unconverted"), Stage.STATUS),
        **dict.fromkeys(("churned_at", "deactivated_at"), Stage.STATUS),
        "segments": Stage.SEGMENTS,
        **dict.fromkeys(("health", "health_label"), Stage.HEALTH),
        "indicator_id": Stage.INDICATORS,
        "evaluated_at": Stage.LAST,
    }
)
"""The columns that an evaluation decides after the facts, and when."""


def _of(table: Table) -> Callable[..., Fact]:
    def fact(path: str, label: str, type_: Type, column: str, *, nullable: bool = True, options: str = "") -> Fact:
        choices = tuple(options.split())
        fallback = None if nullable else choices[0] if choices else FALLBACKS.get(type_)
        prefix = "mem" if type_ is Type.PERSON else ""
        return Fact(
            path,
            label,
            type_,
            table,
            column,
            nullable,
            choices,
            prefix=prefix,
            fallback=fallback,
            stage=DERIVED.get(column, Stage.FACTS),
        )

    return fact


def _ids(path: str, label: str, table: Table, column: str, prefix: str) -> Fact:
    """A set of ids; it has no order."""
    return Fact(
        path,
        label,
        Type.MULTI,
        table,
        column,
        nullable=False,
        sortable=False,
        prefix=prefix,
        fallback=FALLBACKS[Type.MULTI],
        stage=DERIVED.get(column, Stage.FACTS),
    )


def _id(table: Table, column: str, prefix: str, path: str = "id", label: str = "ID", *, nullable: bool = False) -> Fact:
    return Fact(path, label, Type.ID, table, column, nullable=nullable, prefix=prefix)


_fact, _user, _organization = _of("account_facts"), _of("user_facts"), _of("organization_facts")
_moves = _of("user_activity")

LABELS: Final = "poor concerning healthy"
STATUSES: Final = "subscribed trial churned ignored"
SOURCES: Final = "default trait rule manual organization"


def _computed(fact: Callable[..., Fact]) -> tuple[Fact, ...]:
    """What is worked out of events, answers and rules, of accounts and organizations alike."""
    return (
        fact("activeUsers", "Active users (30 days)", Type.NUMBER, "active_users", nullable=False),
        fact("activeUserShare", "Active users (30 days): Percent", Type.NUMBER, "active_user_share"),
        fact("lastReceivedMessageAt", "Last received message", Type.DATETIME, "last_received_at"),
        fact("lastSentMessageAt", "Last sent message", Type.DATETIME, "last_sent_at"),
        fact("elementsUsed", "Elements used", Type.NUMBER, "elements_used", nullable=False),
        fact("nps", "NPS", Type.NUMBER, "nps"),
        fact("npsResponses", "NPS: Responses", Type.NUMBER, "nps_responses", nullable=False),
        fact("npsPromoters", "NPS: Promoters", Type.NUMBER, "nps_promoters", nullable=False),
        fact("npsPassives", "NPS: Passives", Type.NUMBER, "nps_passives", nullable=False),
        fact("npsDetractors", "NPS: Detractors", Type.NUMBER, "nps_detractors", nullable=False),
        fact("npsLastAt", "NPS: Last response", Type.DATETIME, "nps_last_at"),
        fact("health", "Health", Type.NUMBER, "health"),
        fact("healthLabel", "Health: Label", Type.SELECT, "health_label", options=LABELS),
    )


_ACCOUNTS = (
    _id("account_facts", "account_id", "acc"),
    Fact("externalId", "External ID", Type.TEXT, "accounts", "external_id", nullable=False),
    Fact("name", "Name", Type.TEXT, "accounts", "name"),
    Fact("avatar", "Avatar", Type.TEXT, "accounts", "traits", slot="avatar"),
    Fact("createdAt", "Created", Type.DATETIME, "accounts", "created_at", nullable=False),
    _fact("updatedAt", "Updated", Type.DATETIME, "evaluated_at"),
    _fact("status", "Status", Type.SELECT, "status", nullable=False, options=STATUSES),
    _fact("statusSource", "Status: Source", Type.SELECT, "status_source", nullable=False, options=SOURCES),
    _fact("statusSince", "Status: Since", Type.DATETIME, "status_since"),
    _fact("unconverted", "Unconverted", Type.BOOLEAN, "unconverted", nullable=False),
    _fact("joinedAt", "Join date", Type.DATETIME, "joined_at"),
    _fact("trialEndsAt", "Trial end date", Type.DATETIME, "trial_ends_at"),
    _fact("renewsAt", "Renewal date", Type.DATETIME, "renews_at"),
    _fact("churnedAt", "Churn date", Type.DATETIME, "churned_at"),
    replace(_fact("mrr", "MRR", Type.NUMBER, "mrr"), history=True),
    _fact("users", "Users", Type.NUMBER, "users", nullable=False),
    _fact("events", "Events", Type.NUMBER, "events", nullable=False),
    _fact("firstSeenAt", "First seen", Type.DATETIME, "first_seen_at"),
    _fact("lastSeenAt", "Last seen", Type.DATETIME, "last_seen_at"),
    _fact("csm", "Customer Success Manager", Type.PERSON, "csm_id"),
    _fact("accountExecutive", "Account Executive", Type.PERSON, "account_executive_id"),
    _ids("roleHolders", "Key roles: Anyone", "account_facts", "role_holders", "mem"),
    _ids("segments", "Segments", "account_facts", "segments", "seg"),
    _ids("indicators", "Active indicators", "alerts", "indicator_id", "ind"),
    _ids("accessGroups", "Access groups", "account_facts", "access_groups", "grp"),
    _fact("organization", "Organization: External ID", Type.TEXT, "organization_external_id"),
    _fact("owner", "Owner: External ID", Type.TEXT, "owner_external_id"),
    _id("account_facts", "owner_id", "usr", "owner.id", "Owner: ID", nullable=True),
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
    *_computed(_fact),
)

_USERS = (
    _id("users", "id", "usr"),
    Fact("externalId", "External ID", Type.TEXT, "users", "external_id", nullable=False),
    Fact("name", "Name", Type.TEXT, "users", "name"),
    Fact("email", "Email", Type.TEXT, "users", "email"),
    Fact("avatar", "Avatar", Type.TEXT, "users", "traits", slot="avatar"),
    Fact("createdAt", "Created", Type.DATETIME, "users", "created_at", nullable=False),
    Fact("updatedAt", "Updated", Type.DATETIME, "users", "updated_at", nullable=False),
    _moves("firstSeenAt", "First seen", Type.DATETIME, "first_seen_at"),
    _moves("lastSeenAt", "Last seen", Type.DATETIME, "last_seen_at"),
    _moves("sessions", "Sessions", Type.NUMBER, "sessions"),
    _moves("lastReceivedMessageAt", "Last received message", Type.DATETIME, "last_received_at"),
    _moves("lastSentMessageAt", "Last sent message", Type.DATETIME, "last_sent_at"),
    _user("status", "Status", Type.SELECT, "status", nullable=False, options="active deactivated"),
    _user("statusSource", "Status: Source", Type.SELECT, "status_source", nullable=False, options=SOURCES),
    _user("statusSince", "Status: Since", Type.DATETIME, "status_since"),
    _user("deactivatedAt", "Deactivated", Type.DATETIME, "deactivated_at"),
    _ids("segments", "Segments", "user_facts", "segments", "seg"),
    _user("npsScore", "NPS: Score", Type.NUMBER, "nps_score"),
    _user("npsGroup", "NPS: Group", Type.SELECT, "nps_group", options="detractor passive promoter"),
    _user("npsRespondedAt", "NPS: Responded", Type.DATETIME, "nps_responded_at"),
    Fact("accounts", "Accounts", Type.NUMBER, "memberships", "accounts", nullable=False, fallback=0),
)

_ORGANIZATIONS = (
    _id("organizations", "id", "org"),
    Fact("externalId", "External ID", Type.TEXT, "organizations", "external_id", nullable=False),
    Fact("name", "Name", Type.TEXT, "organizations", "name"),
    Fact("createdAt", "Created", Type.DATETIME, "organizations", "created_at", nullable=False),
    Fact("updatedAt", "Updated", Type.DATETIME, "organizations", "updated_at", nullable=False),
    _organization("status", "Status", Type.SELECT, "status", nullable=False, options=STATUSES),
    _organization("statusSource", "Status: Source", Type.SELECT, "status_source", nullable=False, options=SOURCES),
    _organization("statusSince", "Status: Since", Type.DATETIME, "status_since"),
    _organization("unconverted", "Unconverted", Type.BOOLEAN, "unconverted", nullable=False),
    _organization("trialEndsAt", "Trial end date", Type.DATETIME, "trial_ends_at"),
    _organization("renewsAt", "Renewal date", Type.DATETIME, "renews_at"),
    _organization("churnedAt", "Churn date", Type.DATETIME, "churned_at"),
    _organization("joinedAt", "Join date", Type.DATETIME, "joined_at"),
    _organization("csm", "Customer Success Manager", Type.PERSON, "csm_id"),
    _organization("accountExecutive", "Account Executive", Type.PERSON, "account_executive_id"),
    _ids("roleHolders", "Key roles: Anyone", "organization_facts", "role_holders", "mem"),
    _organization("mrr", "MRR", Type.NUMBER, "mrr"),
    _organization("accounts", "Accounts", Type.NUMBER, "accounts", nullable=False),
    _organization("users", "Users", Type.NUMBER, "users", nullable=False),
    _organization("firstSeenAt", "First seen", Type.DATETIME, "first_seen_at"),
    _organization("lastSeenAt", "Last seen", Type.DATETIME, "last_seen_at"),
    _ids("segments", "Segments", "organization_facts", "segments", "seg"),
    _ids("accessGroups", "Access groups", "organizations", "access_groups", "grp"),
    *_computed(_organization),
)

# What an account says of its organization: missing altogether where it belongs to none. Its ids stand on the account.
_PARENTS = (
    _id("account_facts", "organization_id", "org", "organization.id", "Organization: ID", nullable=True),
    _fact("organization.externalId", "Organization: External ID", Type.TEXT, "organization_external_id"),
    *(
        replace(
            fact, path=PARENT_PREFIX + fact.path, label=f"Organization: {fact.label}", nullable=True, via="organization"
        )
        for fact in _ORGANIZATIONS
        if fact.path not in ("id", "externalId")
    ),
)


def _catalogue(*facts: Fact) -> Mapping[str, Fact]:
    return MappingProxyType({fact.path: fact for fact in facts})


CATALOGUES: Final[Mapping[Subject, Mapping[str, Fact]]] = MappingProxyType(
    {
        Subject.ACCOUNTS: _catalogue(*_ACCOUNTS, *_PARENTS),
        Subject.USERS: _catalogue(*_USERS),
        Subject.ORGANIZATIONS: _catalogue(*_ORGANIZATIONS),
    }
)


@dataclass(frozen=True, slots=True)
class Relation:
    """Records of another subject that belong to a record, which a condition may count."""

    subject: Subject
    name: str
    target: Subject
    label: str


def _relations(subject: Subject, *targets: Subject) -> Mapping[str, Relation]:
    return MappingProxyType({one.value: Relation(subject, one.value, one, one.value.capitalize()) for one in targets})


RELATIONS: Final[Mapping[Subject, Mapping[str, Relation]]] = MappingProxyType(
    {
        Subject.ACCOUNTS: _relations(Subject.ACCOUNTS, Subject.USERS),
        Subject.USERS: _relations(Subject.USERS, Subject.ACCOUNTS),
        Subject.ORGANIZATIONS: _relations(Subject.ORGANIZATIONS, Subject.ACCOUNTS, Subject.USERS),
    }
)


def storable(text: str) -> bool:
    """Whether PostgreSQL can hold this text: no NUL, no lone surrogates."""
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


def trait(key: str, subject: Subject = Subject.ACCOUNTS) -> Fact:
    """The entry of one trait; dots in the key belong to the key."""
    return Fact(TRAIT_PREFIX + key, f"Trait: {key}", Type.TRAIT, subject.value, "traits", key=key)


@dataclass(frozen=True, slots=True)
class Family:
    """Facts whose names are the customer's, after a common prefix; each has a place of its own in a JSON column."""

    prefix: str
    label: str
    type: Type
    column: str
    stage: Stage = Stage.FACTS
    options: str = ""

    def fact(self, slug: str, subject: Subject) -> Fact:
        """The entry of one of them."""
        table: Table = "account_facts" if subject is Subject.ACCOUNTS else "organization_facts"
        return Fact(
            self.prefix + slug,
            f"{self.label}: {slug}",
            self.type,
            table,
            self.column,
            options=tuple(self.options.split()),
            prefix="mem" if self.type is Type.PERSON else "",
            slot=slug,
            stage=self.stage,
        )


FAMILIES: Final = {
    family.prefix: family
    for family in (
        Family("keyRoles.", "Key role", Type.PERSON, "key_roles"),
        Family("metrics.", "Metric", Type.NUMBER, "metrics", Stage.METRICS),
        Family("metricChanges.", "Metric: Change in percent", Type.NUMBER, "metric_changes", Stage.METRICS),
        Family("elements.", "Element", Type.NUMBER, "elements"),
        Family("elementFirstAt.", "Element: First", Type.DATETIME, "element_firsts"),
        Family("elementLastAt.", "Element: Last", Type.DATETIME, "element_lasts"),
        Family("healthScores.", "Health score", Type.NUMBER, "health_scores", Stage.HEALTH),
        Family("healthLabels.", "Health score: Label", Type.SELECT, "health_labels", Stage.HEALTH, LABELS),
    )
}
"""By prefix. Users have none of these."""


EVENTS: Final[Mapping[str, tuple[str, Type, str]]] = MappingProxyType(
    {
        "eventCount.": ("Event: How often", Type.NUMBER, "count"),
        "eventFirstAt.": ("Event: First", Type.DATETIME, "first_at"),
        "eventLastAt.": ("Event: Last", Type.DATETIME, "last_at"),
    }
)
"""By prefix, facts of the events of a name. Users have none of these, nor do accounts have those of their organization,
which would not hear of each of its events."""
LONGEST_EVENT_NAME: Final = 512  # bytes


def event(prefix: str, name: str, subject: Subject) -> Fact:
    """The entry of what was counted of the events of a name; it may hold whatever names do."""
    label, type_, column = EVENTS[prefix]
    table: Table = "account_totals" if subject is Subject.ACCOUNTS else "organization_totals"
    counted = type_ is Type.NUMBER
    fallback = 0 if counted else None
    return Fact(
        prefix + name, f"{label}: {name}", type_, table, column, nullable=not counted, slot=name, fallback=fallback
    )


def _countable(name: str) -> bool:
    return bool(name.strip()) and storable(name) and len(name.encode()) <= LONGEST_EVENT_NAME


def _after(prefix: str, path: str) -> str | None:
    return path.removeprefix(prefix) if path.startswith(prefix) else None


def _usable(key: str | None) -> bool:
    return key is not None and 0 < len(key) <= LONGEST_TRAIT_KEY and storable(key)


def find(path: str, subject: Subject = Subject.ACCOUNTS) -> Fact:
    """The entry behind a path. Raises `UnknownFact`."""
    found = CATALOGUES[subject].get(path)
    if found is None:
        found = _named(path, subject)
    if found is None:
        raise UnknownFact(
            f"There is no such field of {subject}. GET /api/v1/facts?subject={subject} lists them; a trait is written"
            " `traits.` and its key.",
            field=path[:100].encode("utf-8", "replace").decode(),
        )
    return found


def _named(path: str, subject: Subject) -> Fact | None:
    """Traits, key roles and all else whose names are the customer's."""
    key = _after(TRAIT_PREFIX, path)
    if key is not None and _usable(key):
        return trait(key, subject)
    prefix, dot, slug = path.partition(".")
    family = FAMILIES.get(prefix + dot)
    if family is not None and subject is not Subject.USERS:
        return family.fact(slug, subject) if SLUG.match(slug) else None
    if prefix + dot in EVENTS:
        return event(prefix + dot, slug, subject) if subject is not Subject.USERS and _countable(slug) else None
    rest = _after(PARENT_PREFIX, path) if subject is Subject.ACCOUNTS else None
    return None if rest is None else _of_parent(_named(rest, Subject.ORGANIZATIONS))


def _of_parent(fact: Fact | None) -> Fact | None:
    """What an account says of its organization."""
    if fact is None or fact.table == "organization_totals":
        return None
    label = f"Organization: {fact.label}"
    return replace(fact, path=PARENT_PREFIX + fact.path, label=label, nullable=True, via="organization")
