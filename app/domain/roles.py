"""Key roles: their names, and how a mapped trait and a choice decide together who holds one.

The trait speaks for itself until somebody chooses; a choice stands until the trait says something else than it said
when the choice was made. What names nobody takes a role from nobody: it is pending, and shown as such.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal
from uuid import UUID

from app.domain.errors import Conflict, NotFound, Rejected

MOST_ROLES: Final = 50
SLUG: Final = "^[a-z][a-z0-9_]{0,49}$"
_ALIASES: Final = {"accountExecutive": "account_executive"}
_SHOWN: Final = {stored: name for name, stored in _ALIASES.items()}

BUILT_IN: Final[Mapping[str, str]] = {"csm": "Customer Success Manager", "account_executive": "Account Executive"}
"""The roles every workspace has, with their labels."""


class UnknownRole(NotFound):
    """There is no such key role in this workspace."""

    code = "unknown_role"


class RoleTaken(Conflict):
    """There is a role with this name."""

    code = "role_taken"


class TooManyRoles(Rejected):
    """The workspace has as many key roles as it can."""

    code = "too_many_roles"


class RoleHeld(Conflict):
    """Somebody holds this role."""

    code = "role_held"


class BuiltInRole(Conflict):
    """Every workspace has this role; it cannot be deleted."""

    code = "built_in_role"


class MemberDeactivated(Rejected):
    """The member has left."""

    code = "member_deactivated"


class Source(StrEnum):
    """What gave a role to somebody, or took it."""

    MANUAL = "manual"
    API = "api"
    BULK = "bulk"
    TRAIT = "trait"
    PLAYBOOK = "playbook"
    DEACTIVATION = "deactivation"


@dataclass(frozen=True, slots=True)
class Cause:
    """What makes a change of roles, who, and when."""

    source: Source
    by: str | None
    now: datetime


Problem = Literal["unknown_member", "member_deactivated"]


def slug_of(name: str) -> str | None:
    """A role's name as it is stored; None for what can be no role's name."""
    slug = _ALIASES.get(name, name)
    return slug if re.fullmatch(SLUG.strip("^$"), slug) else None


def name_of(slug: str) -> str:
    """A stored name as the wire shows it."""
    return _SHOWN.get(slug, slug)


@dataclass(frozen=True, slots=True)
class Standing:
    """A role at an account or organization, with everything that bears on who holds it.

    `value` is what the mapped trait says, `named` the active member behind it. `source` tells how the holder got the
    role. `known`: an earlier look has left a note, of which `chosen`, `chosen_with` and `problem` are part.
    """

    record_id: UUID
    role: str
    value: str | None
    named: UUID | None
    left: bool
    holder: UUID | None
    source: str | None
    known: bool = False
    known_value: str | None = None
    chosen: bool = False
    chosen_with: str | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Who is to hold the role, and what to remember of it."""

    holder: UUID | None
    chosen: bool
    chosen_with: str | None
    problem: Problem | None


def decide(one: Standing) -> Decision:
    """Who holds the role now. Without an earlier look, a holder whom no trait gave the role counts as chosen now."""
    chosen, with_ = one.chosen, one.chosen_with
    if not one.known and one.holder is not None and one.source != Source.TRAIT:
        chosen, with_ = True, one.value
    if chosen and with_ == one.value:
        return Decision(one.holder, chosen=True, chosen_with=with_, problem=None)
    if one.value is None:
        holder = one.holder if chosen or one.source != Source.TRAIT else None
        return Decision(holder, chosen, with_, None)
    if one.named is not None:
        return Decision(one.named, chosen=False, chosen_with=None, problem=None)
    return Decision(one.holder, chosen, with_, "member_deactivated" if one.left else "unknown_member")


def is_news(one: Standing, decision: Decision) -> bool:
    """Whether what is remembered of a role differs from the decision."""
    old = (one.known_value, one.chosen, one.chosen_with, one.problem)
    new = (one.value, decision.chosen, decision.chosen_with, decision.problem)
    return old != new if one.known else one.value is not None or decision.chosen
