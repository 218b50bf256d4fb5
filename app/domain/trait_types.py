"""What a trait may be declared to be. A declaration never refuses data from outside: it says how to read them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.domain.errors import Conflict, Forbidden, NotFound, Rejected
from app.domain.fields import LONGEST_TRAIT_KEY, Subject, storable
from app.domain.messages import CUSTOM
from app.domain.team import MemberRole

MOST_DEFINITIONS: Final = 500
MOST_OPTIONS: Final = 200
_WORDS: Final = re.compile(r"[^\W_]+")


class UnknownTrait(NotFound):
    """Nothing is known of such a trait."""

    code = "unknown_trait"


class UnusableTrait(Rejected):
    """A trait cannot be declared like this."""

    code = "unusable_trait"


class TraitExists(Conflict):
    """There is a custom trait with this key."""

    code = "trait_exists"


class TooManyDefinitions(Rejected):
    """As many traits are declared as can be."""

    code = "too_many_definitions"


class UnusableValue(Rejected):
    """The value is not of the type the trait is declared to be."""

    code = "unusable_value"


class TraitNotEditable(Forbidden):
    """This trait is not yours to edit."""

    code = "trait_not_editable"


class TraitType(StrEnum):
    """How a trait's values are read, shown and edited."""

    TEXT = "text"
    LONG_TEXT = "longText"
    NUMBER = "number"
    CURRENCY = "currency"
    DATE = "date"
    DATETIME = "datetime"
    BOOLEAN = "boolean"
    SELECT = "select"
    MULTI_SELECT = "multiSelect"
    EMAIL = "email"
    URL = "url"


class EditableBy(StrEnum):
    """Who may edit a trait in Steward."""

    ADMINS_AND_LEADERS = "admins_and_leaders"
    ALL_BUT_OBSERVERS = "all_but_observers"
    NOBODY = "nobody"


WITH_OPTIONS: Final = (TraitType.SELECT, TraitType.MULTI_SELECT)
_TEXTUAL: Final = frozenset({"text", "longText", "email", "url", "date", "datetime"})


@dataclass(frozen=True, slots=True)
class Option:
    """One value of a select, and what people see."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Definition:
    """What a workspace says a trait is."""

    subject: Subject
    key: str
    label: str
    type: TraitType
    options: tuple[Option, ...] = ()
    editable_by: EditableBy = EditableBy.ADMINS_AND_LEADERS
    custom: bool = False
    description: str | None = None


def check(one: Definition) -> Definition:
    """The same definition, if it can be. Raises `UnusableTrait`."""
    if not usable(one.key):
        raise UnusableTrait(f"The key of a trait has 1 to {LONGEST_TRAIT_KEY} characters, not only spaces.")
    if one.custom != one.key.startswith(CUSTOM):
        raise UnusableTrait(f"The keys of custom traits, and of no others, begin with `{CUSTOM}`.")
    values = [option.value for option in one.options]
    if (one.type in WITH_OPTIONS) != bool(values):
        raise UnusableTrait("A select needs options, and nothing else has any.", type=one.type)
    if len(set(values)) < len(values):
        raise UnusableTrait("Each option needs a value of its own.")
    return one


def usable(key: str) -> bool:
    """Whether a trait can have this key."""
    return 0 < len(key) <= LONGEST_TRAIT_KEY and bool(key.strip()) and storable(key)


def custom_key(label: str) -> str:
    """`Next steps` -> `custom.nextSteps`. Raises `UnusableTrait` for a label without a letter or digit."""
    words: list[str] = _WORDS.findall(label)
    if not words:
        raise UnusableTrait("A label needs a letter or a digit, to make a key of it.")
    first, *rest = words
    return CUSTOM + first[0].lower() + first[1:] + "".join(word[0].upper() + word[1:] for word in rest)


def detect(kinds: Mapping[str, int]) -> TraitType | None:
    """The type that the kinds of values seen suggest; None for objects, and where nothing was seen."""
    seen = frozenset(kinds)
    if len(seen) == 1:
        (only,) = seen
        return TraitType(only) if only in frozenset(TraitType) else None
    if not seen or "object" in seen:
        return None
    if seen == {"date", "datetime"}:
        return TraitType.DATETIME
    return TraitType.LONG_TEXT if "longText" in seen and seen <= _TEXTUAL else TraitType.TEXT


def check_editor(key: str, one: Definition | None, role: MemberRole | None) -> None:
    """`TraitNotEditable` unless somebody of this role may edit the trait; None is a key. Observers never come here.

    What was never declared is edited by admins and leaders; custom traits must be declared.
    """
    allowed = one.editable_by if one else EditableBy.ADMINS_AND_LEADERS
    if allowed is EditableBy.NOBODY:
        raise TraitNotEditable(f"Nobody edits {key!r} in Steward: it is declared so.", key=key)
    if allowed is EditableBy.ADMINS_AND_LEADERS and role not in (None, MemberRole.ADMIN, MemberRole.LEADER):
        raise TraitNotEditable(f"Only admins and leaders edit {key!r}.", key=key)


def check_custom(keys: Sequence[str], declared: Mapping[str, Definition]) -> None:
    """Raises `UnusableValue` for a custom trait nobody has made."""
    for key in keys:
        if not usable(key) or (key.startswith(CUSTOM) and key not in declared):
            raise UnusableValue(f"There is no trait {key[:100]!r} to edit; make custom traits first.", key=key[:100])
